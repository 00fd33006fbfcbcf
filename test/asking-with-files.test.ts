import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newId } from '../src/db/id.ts';
import { attachments, messageAttachments } from '../src/db/tables/attachment.ts';
import { models as modelsTable } from '../src/db/tables/model.ts';
import { messages, threads } from '../src/db/tables/thread.ts';
import { PROVIDER_NAMES, type ProviderName } from '../src/providers/provider.ts';
import type { SimulatorRequest } from '../src/simulator/request-log.ts';
import { type Event, follow, readAnswer } from './kit/answer.ts';
import { storedNames, upload } from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import { makeEncryptedPdf, makePdf, makeScannedPdf } from './kit/make-pdf.ts';
import { makePng } from './kit/make-png.ts';
import { nodesOf, type Page } from './kit/page.ts';
import type { NamedModel, Person, Sent } from './kit/person.ts';
import { SERVERS, startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

/** What each model is sent of the files of its conversation, and what people are told about that. */

let server: TestServer;
let folder: string;
let ada: Person;
let models: Record<ProviderName, ListedModel[]>;

interface ListedModel extends NamedModel {
  title: string;
  capabilities: string[];
}

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'latchkey-asking-')), 'files');
  server = await startTestServer({ LATCHKEY_FILES_DIR: folder });
  ada = await server.signUp();
  const added = await Promise.all(
    PROVIDER_NAMES.map(async (name) => [name, await addKey(ada, name)] as const),
  );
  models = Object.fromEntries(added) as typeof models;
});
afterAll(() => server?.close());

async function addKey(person: Person, name: ProviderName): Promise<ListedModel[]> {
  const more = name === 'CUSTOM' ? { baseUrl: server.simulator.baseUrls.CUSTOM } : {};
  const added = await person.addKey(name, `sk-sim-${crypto.randomUUID()}`, more);
  return added.models as ListedModel[];
}

/** A model of a provider that reads images, or one that reads none. */
function modelOf(provider: ProviderName, { readsImages = true } = {}): ListedModel {
  const found = models[provider].find(
    ({ capabilities }) => capabilities.includes('IMAGE_INPUT') === readsImages,
  );
  return found ?? expect.unreachable(`${provider} lists no such model`);
}

/** A model of a provider that reads images, if any does. */
function bestOf(provider: ProviderName): ListedModel {
  const [first, ...rest] = models[provider];
  const seeing = [first, ...rest].find((model) => model?.capabilities.includes('IMAGE_INPUT'));
  return seeing ?? first ?? expect.unreachable(`${provider} lists no model`);
}

interface Use {
  attachment: { id: string } | null;
  use: string;
  note: string | null;
}

type SentWithUses = Omit<Sent, 'answers'> & {
  answers: (Sent['answers'][number] & { attachmentUses: Use[] })[];
  code: string;
  message: string;
  fields: { path: string; message: string }[];
};

async function send(
  threadId: string,
  asked: readonly NamedModel[],
  more: { text?: string; attachmentIds?: string[]; parentId?: string } = {},
): Promise<SentWithUses> {
  const input = { threadId, text: 'What is in it?', modelIds: asked.map(({ id }) => id), ...more };
  return await ada.run<SentWithUses>('send-message', { input });
}

const threadOf = async () => (await newThread(ada)).id;

/** Sends a message into a thread of its own. */
async function sendNew(
  asked: readonly NamedModel[],
  attachmentIds: string[],
  more: { text?: string } = {},
): Promise<SentWithUses> {
  return await send(await threadOf(), asked, { ...more, attachmentIds });
}

/** Waits for the ends of all answers. */
async function endsOf(sent: Pick<Sent, 'answers'>): Promise<Event[]> {
  const client = ada.socket();
  const reads = await Promise.all(sent.answers.map(({ id }) => readAnswer(client, id)));
  await client.dispose();
  return reads.map(({ end }) => end ?? expect.unreachable('an answer has no end'));
}

/** What the providers were sent for a message, in the order of its answers. */
async function bodiesOf(sent: Sent, text: string): Promise<string[]> {
  for (const end of await endsOf(sent)) expect(end).toMatchObject({ answer: { status: 'COMPLETE' } });
  return sent.answers.map(({ modelName }) => {
    const isOf = ({ method, body, path }: SimulatorRequest) =>
      method === 'POST' &&
      body.includes(text) &&
      (body.includes(`"${modelName}"`) || path.includes(modelName));
    return server.simulator.requests.findLast(isOf)?.body ?? expect.unreachable(`${modelName} was not asked`);
  });
}

const READ_PDFS: ProviderName[] = ['OPENAI', 'ANTHROPIC', 'GEMINI', 'MISTRAL'];
const unique = () => `Question ${crypto.randomUUID()}`;
const usesOf = (sent: SentWithUses) => sent.answers.map(({ attachmentUses }) => attachmentUses);

/** The uses of all answers of a thread, as it is read. */
async function usesInThread(threadId: string): Promise<Use[][]> {
  const thread = await ada.run<{ messages: Page<{ attachmentUses?: Use[] }> }>('thread', { id: threadId });
  return nodesOf(thread.messages).flatMap(({ attachmentUses }) => (attachmentUses ? [attachmentUses] : []));
}

describe('the uses of files', { timeout: 60_000 }, () => {
  test('of two models that are compared one gets the PDF, the other its text, and everybody is shown that before they begin', async () => {
    const bytes = makePdf(['The rent is 812 euros.', 'It is due in May.']);
    const { id } = await upload(ada, bytes, { fileName: 'lease.pdf' });
    const threadId = await threadOf();
    const client = ada.socket();
    const events = follow(client, 'thread-events', { threadId });
    await events.next();
    const text = unique();
    const asked = [modelOf('ANTHROPIC'), modelOf('CUSTOM', { readsImages: false })];
    const sent = await send(threadId, asked, { text, attachmentIds: [id] });
    const attachment = { id };
    const uses = [
      [{ attachment, use: 'NATIVE', note: null }],
      [
        {
          attachment,
          use: 'AS_TEXT',
          note: 'It is sent as text, because this model takes no PDFs.',
        },
      ],
    ];
    expect(usesOf(sent)).toEqual(uses);
    const added: unknown[] = [];
    while (added.length < 2) {
      const { message } = (await events.next()).value as Event & { message?: { attachmentUses?: Use[] } };
      if (message?.attachmentUses !== undefined) added.push(message.attachmentUses);
    }
    expect(added).toEqual(uses);
    await client.dispose();
    const ends = await endsOf(sent);
    expect(ends.map(({ answer }) => (answer as { attachmentUses?: Use[] }).attachmentUses)).toEqual(uses);
    expect(await usesInThread(threadId)).toEqual(uses);
    const [whole = '', asText = ''] = await bodiesOf(sent, text);
    expect(whole).toContain(bytes.toString('base64'));
    expect(asText).not.toContain(bytes.toString('base64'));
    expect(asText).toContain('[page 1]\\nThe rent is 812 euros.');
    expect(asText).toContain('[page 2]\\nIt is due in May.');
  });

  test('an answer without files has no uses, and one whose file is gone keeps its note', async () => {
    const seeing = modelOf('OPENAI');
    expect(usesOf(await sendNew([seeing], []))).toEqual([[]]);
    const { id } = await upload(ada, makeScannedPdf(), { fileName: 'scan.pdf' });
    const sent = await sendNew([modelOf('CUSTOM', { readsImages: false })], [id]);
    await endsOf(sent);
    const note = 'It has no text, and this model takes no PDFs.';
    expect(usesOf(sent)).toEqual([[{ attachment: { id }, use: 'LEFT_OUT', note }]]);
    await server.app.db.delete(messages).where(eq(messages.id, sent.userMessage.id));
    expect(await usesInThread(sent.thread.id)).toEqual([[{ attachment: null, use: 'LEFT_OUT', note }]]);
  });

  test('files of the whole branch are decided about anew for each answer, oldest first, and not those of others', async () => {
    const [one, two, other] = await Promise.all(['one', 'two', 'other'].map((each) => upload(ada, each)));
    const model = modelOf('OPENAI');
    const threadId = await threadOf();
    const first = await send(threadId, [model], { attachmentIds: [one?.id ?? ''] });
    await endsOf(first);
    const parentId = first.answers[0]?.id ?? '';
    await endsOf(await send(threadId, [model], { attachmentIds: [other?.id ?? ''], parentId }));
    const last = await send(threadId, [model], { attachmentIds: [two?.id ?? ''], parentId });
    expect(usesOf(last)[0]?.map(({ attachment }) => attachment?.id)).toEqual([one?.id, two?.id]);
    const [end] = await endsOf(last);
    const { answer } = await ada.run<{ answer: { id: string; attachmentUses: Use[] } }>('regenerate-answer', {
      input: { answerId: end?.answer.id },
    });
    expect([answer.attachmentUses]).toEqual(usesOf(last));
  });
});

describe('files of many messages', () => {
  test('a file of several messages is sent and shown once, with the first, and later ones say that it is above', async () => {
    const content = `Notes of ${crypto.randomUUID()}.`;
    const one = await upload(ada, content, { fileName: 'one.txt' });
    const others = await Promise.all(
      ['b', 'c', 'd'].map((name) => upload(ada, name, { fileName: `${name}.txt` })),
    );
    const model = modelOf('CUSTOM', { readsImages: false });
    const ids = [one, ...others].map(({ id }) => id);
    const threadId = await threadOf();
    await endsOf(await send(threadId, [model], { attachmentIds: ids }));
    await endsOf(await send(threadId, [model], { text: '', attachmentIds: [one.id] }));
    const text = unique();
    const last = await send(threadId, [model], { text, attachmentIds: ids.toReversed() });
    expect(usesOf(last)[0]?.map(({ attachment }) => attachment?.id)).toEqual(ids);
    const [body = ''] = await bodiesOf(last, text);
    const said = JSON.parse(body).messages.filter(({ role }: { role: string }) => role === 'user');
    expect(said[0].content.split(content)).toHaveLength(2);
    expect(said.slice(1).map(({ content }: { content: string }) => content)).toEqual([
      '[File "one.txt" is above.]',
      `[4 files are above, such as "one.txt", "b.txt", and "c.txt".]\n\n${text}`,
    ]);
  });

  test('an image that is in the conversation already is refused as well, for a model that reads none', async () => {
    const { id } = await upload(ada, makePng(40, 30), { fileName: 'photo.png' });
    const first = await sendNew([modelOf('OPENAI')], [id]);
    await endsOf(first);
    const blind = modelOf('CUSTOM', { readsImages: false });
    const refused = await send(first.thread.id, [blind], { attachmentIds: [id] });
    expect(refused).toMatchObject({ code: 'BAD_INPUT', fields: [{ path: 'modelIds.0' }] });
  });

  test('of a thousand messages with twenty files each the newest files are decided about, and each other message has one note', async () => {
    const { db } = server.app;
    const { id } = await upload(ada, makePng(40, 30), { fileName: 'photo.png' });
    await endsOf(await sendNew([modelOf('OPENAI')], [id]));
    const [row] = await db.select().from(attachments).where(eq(attachments.id, id));
    const copies = Array.from({ length: 200 }, () => ({
      ...(row ?? expect.unreachable()),
      id: newId('att'),
    }));
    await db.insert(attachments).values(copies);
    const threadId = await threadOf();
    const chain = Array.from({ length: 2_000 }, () => newId('msg'));
    const rows = chain.map((messageId, index) => ({
      id: messageId,
      threadId,
      position: index + 1,
      parentId: chain[index - 1] ?? null,
      role: index % 2 === 0 ? ('USER' as const) : ('ASSISTANT' as const),
      status: 'COMPLETE' as const,
      text: 'Hello',
      authorId: ada.id,
    }));
    for (let at = 0; at < rows.length; at += 500) await db.insert(messages).values(rows.slice(at, at + 500));
    const references = rows
      .filter(({ role }) => role === 'USER')
      .flatMap((message, turn) =>
        Array.from({ length: 20 }, (_, index) => ({
          messageId: message.id,
          attachmentId: copies[(20 * turn + index) % copies.length]?.id ?? '',
          position: index,
        })),
      );
    for (let at = 0; at < references.length; at += 5_000)
      await db.insert(messageAttachments).values(references.slice(at, at + 5_000));
    await db.update(threads).set({ lastPosition: rows.length }).where(eq(threads.id, threadId));
    const model = modelOf('CUSTOM', { readsImages: false });
    const text = unique();
    const sent = await send(threadId, [model], { text });
    const [older, ...uses] = usesOf(sent)[0] ?? [];
    expect(older).toEqual({
      attachment: null,
      use: 'LEFT_OUT',
      note: 'Older files of this conversation: only its newest are sent, 100 at most.',
    });
    expect(uses.map(({ attachment }) => attachment?.id)).toEqual(copies.slice(100).map((copy) => copy.id));
    const [body = ''] = await bodiesOf(sent, text);
    const said = JSON.parse(body).messages.filter(({ role }: { role: string }) => role === 'user');
    const notes = Map.groupBy(said, ({ content }: { content: string }) => content.split('\n')[0] ?? '');
    expect([...notes].map(([note, turns]) => [note, turns.length])).toEqual([
      ['[Files are left out here: only those of newer messages are sent.]', 995],
      ['[20 files are left out, such as "photo.png", "photo.png", and "photo.png".]', 5],
      [text, 1],
    ]);
  }, 120_000);
});

describe('an image', () => {
  const image = () => upload(ada, makePng(40, 30), { fileName: 'photo.png' });
  const blind = () => modelOf('CUSTOM', { readsImages: false });

  test('an image in a new message for a model that reads none is refused by its field, and nothing is sent or stored', async () => {
    const { id } = await image();
    const threadId = await threadOf();
    const text = unique();
    const refused = await send(threadId, [modelOf('OPENAI'), blind()], { text, attachmentIds: [id] });
    expect(refused).toMatchObject({ __typename: 'InvalidInputError', code: 'BAD_INPUT' });
    expect(refused.fields.map(({ path }) => path)).toEqual(['modelIds.1']);
    const { title } = blind();
    expect(refused.message).toMatch(
      new RegExp(
        `^"photo.png" is an image, and ${title} reads no images\\. Choose one that does, such as .+, or leave the image out\\.$`,
      ),
    );
    const titles = Object.values(models)
      .flat()
      .filter((each) => refused.message.includes(each.title));
    expect(titles.some(({ capabilities }) => capabilities.includes('IMAGE_INPUT'))).toBe(true);
    const answers = [{ modelId: blind().id }];
    const input = { threadId, text, attachmentIds: [id], answers };
    expect(await ada.run('send-message', { input })).toMatchObject({
      fields: [{ path: 'answers.0.modelId' }],
    });
    expect(await server.app.db.$count(messages, eq(messages.threadId, threadId))).toBe(0);
    expect(server.simulator.requests.filter(({ body }) => body.includes(text))).toEqual([]);
  });

  test('the refusal of an image suggests nothing where no model reads images', async () => {
    const ben = await server.signUp('Ben');
    const [model] = (await addKey(ben, 'CUSTOM')).filter(
      ({ capabilities }) => !capabilities.includes('IMAGE_INPUT'),
    );
    const { id } = await upload(ben, makePng(40, 30), { fileName: 'photo.png' });
    const { id: threadId } = await newThread(ben);
    const input = { threadId, text: 'See?', attachmentIds: [id], modelIds: [model?.id] };
    expect(await ben.run('send-message', { input })).toMatchObject({
      message: `"photo.png" is an image, and ${model?.title} reads no images. No model here does: leave the image out.`,
    });
  });

  test('an image of an older message is left out for a model that reads none, which is sent its name and the reason', async () => {
    const { id } = await image();
    const first = await sendNew([modelOf('GEMINI')], [id], { text: '' });
    await endsOf(first);
    const text = unique();
    const sent = await send(first.thread.id, [blind()], { text });
    const note = 'This model reads no images.';
    expect(usesOf(sent)).toEqual([[{ attachment: { id }, use: 'LEFT_OUT', note }]]);
    const [body = ''] = await bodiesOf(sent, text);
    expect(JSON.parse(body).messages[0]).toEqual({
      role: 'user',
      content: `[File "photo.png" is left out. ${note}]`,
    });
    const { answer } = await ada.run<{ answer: { id: string; attachmentUses: Use[] } }>('regenerate-answer', {
      input: { answerId: first.answers[0]?.id, modelId: blind().id },
    });
    expect(answer.attachmentUses).toEqual(usesOf(sent)[0]);
  });

  test('a message of an image alone is sent, and so is one of a text file alone', async () => {
    const { id } = await image();
    const sent = await sendNew([modelOf('ANTHROPIC')], [id], { text: '' });
    expect(await endsOf(sent)).toMatchObject([{ answer: { status: 'COMPLETE' } }]);
    const content = unique();
    const file = await upload(ada, content);
    const alone = await sendNew([modelOf('OPENAI')], [file.id], { text: ' \n' });
    const [body] = await bodiesOf(alone, content);
    expect(body).toContain(content);
  });
});

test('a message of nothing but a file that a model cannot be sent is refused', async () => {
  const { id } = await upload(ada, makeScannedPdf(), { fileName: 'scan.pdf' });
  const model = modelOf('CUSTOM', { readsImages: false });
  expect(await sendNew([model], [id], { text: '' })).toMatchObject({
    fields: [
      {
        path: 'modelIds.0',
        message: `${model.title} cannot be sent "scan.pdf". It has no text, and this model takes no PDFs. Write something as well, or choose another model.`,
      },
    ],
  });
});

describe('the context', () => {
  /** Sets the window of a model for the time of a test. */
  async function withWindow(model: NamedModel, contextWindow: number) {
    const { db } = server.app;
    const set = (tokens: number | null) =>
      db.update(modelsTable).set({ contextWindow: tokens }).where(eq(modelsTable.id, model.id));
    await set(contextWindow);
    return { [Symbol.asyncDispose]: async () => void (await set(null)) };
  }

  test('a conversation that is too long with its files is refused with the numbers of both', async () => {
    const model = modelOf('CUSTOM', { readsImages: false });
    await using _window = await withWindow(model, 9_000);
    const { id } = await upload(ada, 'letters '.repeat(2_500));
    const threadId = await threadOf();
    const refused = await send(threadId, [model], { text: 'y'.repeat(30_000), attachmentIds: [id] });
    expect(refused).toMatchObject({
      __typename: 'ModelUnavailableError',
      code: 'CONTEXT_TOO_LONG',
      message: `This conversation is about 11,000 tokens long, 5,000 of them in files, and ${model.title} takes 9,000. Shorten the message, reply to an earlier one, or choose a model with a larger context.`,
    });
    expect(await server.app.db.$count(messages, eq(messages.threadId, threadId))).toBe(0);
  });

  test('a text that is too long for a model is cut after a line, and a PDF before a page, and both are told which part', async () => {
    const model = modelOf('CUSTOM', { readsImages: false });
    await using _window = await withWindow(model, 10_000);
    const lines = await upload(ada, 'A line of ten words\n'.repeat(2_000), { fileName: 'lines.txt' });
    const text = unique();
    const sent = await sendNew([model], [lines.id], { text });
    expect(usesOf(sent)[0]?.[0]).toMatchObject({
      use: 'AS_TEXT',
      note: 'The whole text is too long, so only this part is sent: lines 1–1,200.',
    });
    const [body = ''] = await bodiesOf(sent, text);
    expect(body.match(/A line of ten words/g)).toHaveLength(1_200);
    expect(body).toContain('lines 1–1,200');
    const pages = Array.from(
      { length: 700 },
      (_, index) => `Words of page ${index + 1}, which are not many.`,
    );
    const long = await upload(ada, makePdf(pages), { fileName: 'long.pdf' });
    const question = unique();
    const ofPdf = await sendNew([model], [long.id], { text: question });
    const note = usesOf(ofPdf)[0]?.[0]?.note ?? '';
    const [, last] =
      /^It is sent as text, because this model takes no PDFs\. The whole text is too long, so only this part is sent: pages 1–(\d+) of 700\.$/.exec(
        note,
      ) ?? expect.unreachable(note);
    const [pdfBody = ''] = await bodiesOf(ofPdf, question);
    expect(pdfBody).toContain(`[page ${last}]`);
    expect(pdfBody).not.toContain(`[page ${Number(last) + 1}]`);
    expect(pdfBody).toContain(`text only, pages 1–${last} of 700`);
  });
});

describe('a text that is cut', () => {
  const long = () => upload(ada, `${unique()}\n${'A line of 20 letter\n'.repeat(25_000)}`);

  test('a store that is away while a text is cut fails the send, of which nothing is written, and later it is sent', async () => {
    const model = modelOf('OPENAI');
    const { id } = await long();
    const threadId = await threadOf();
    const away = server.apps.map(({ fileStore }) =>
      vi.spyOn(fileStore, 'open').mockRejectedValue(new Error('The store is away.')),
    );
    const refused = await send(threadId, [model], { attachmentIds: [id] });
    for (const spy of away) spy.mockRestore();
    expect(refused).toMatchObject({
      __typename: 'BusyError',
      code: 'BUSY',
      message: '"notes.txt" cannot be read at the moment, so nothing was sent. Try again in a moment.',
      retryAt: expect.any(String),
    });
    expect(await server.app.db.$count(messages, eq(messages.threadId, threadId))).toBe(0);
    const sent = await send(threadId, [model], { attachmentIds: [id] });
    expect(usesOf(sent)).toMatchObject([[{ use: 'AS_TEXT' }]]);
    await endsOf(sent);
  });

  test.runIf(SERVERS === 1)('texts are cut a few at a time, however many models are asked', async () => {
    const { id } = await long();
    const { fileStore } = server.app;
    const { open } = fileStore;
    const released = Promise.withResolvers<void>();
    let reading = 0;
    const spy = vi.spyOn(fileStore, 'open').mockImplementation(async (...given) => {
      reading += 1;
      await released.promise;
      return await open.apply(fileStore, given);
    });
    const asked = Object.values(models)
      .flatMap((list) => list.slice(0, 1))
      .slice(0, 8);
    const sending = [await threadOf(), await threadOf()].map((threadId) =>
      send(threadId, asked, { attachmentIds: [id] }),
    );
    await eventually('four are read', () => reading === 4);
    await threadOf();
    expect(reading).toBe(4);
    released.resolve();
    for (const sent of await Promise.all(sending)) await endsOf(sent);
    spy.mockRestore();
  });
});

describe('a file that is lost', () => {
  const lost = (note = 'It could not be read where files are kept.') => ({ use: 'LEFT_OUT', note });
  const statusOfKey = async (model: NamedModel) => {
    const list = await ada.run<{ apiKeys: Page<{ status: string; provider: string }> }>('api-keys', {
      workspaceId: ada.workspaceId,
    });
    const provider = PROVIDER_NAMES.find((name) => models[name].some(({ id }) => id === model.id));
    return nodesOf(list.apiKeys).find((key) => key.provider === provider)?.status;
  };
  /** Damages or removes everything that is kept of a file. */
  async function lose(id: string, isDamaged: boolean): Promise<void> {
    const names = storedNames(folder).filter((name) => name.startsWith(id));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const path = join(folder, id.slice(-2), name);
      if (isDamaged) await writeFile(path, Buffer.alloc(1_000, 7));
      else await rm(path);
    }
  }

  test.each<[string, string, () => Buffer, () => NamedModel, boolean]>([
    ['a text that is missing', 'a.txt', () => Buffer.from('Kept for long'), () => modelOf('OPENAI'), false],
    ['a text that is damaged', 'a.txt', () => Buffer.from('Kept for long'), () => modelOf('OPENAI'), true],
    ['an image that is missing', 'a.png', () => makePng(9, 9), () => modelOf('OPENAI'), false],
    ['a PDF that is damaged', 'a.pdf', () => makePdf(['Kept']), () => modelOf('ANTHROPIC'), true],
  ])(
    '%s fails an answer, which blames no key, and is then left out until it is tried again',
    async (_what, fileName, content, model, isDamaged) => {
      const { id } = await upload(ada, content(), { fileName });
      const first = await sendNew([model()], [id]);
      await endsOf(first);
      await lose(id, isDamaged);
      const threadId = first.thread.id;
      const failed = await send(threadId, [model()], { text: 'And now?' });
      expect(usesOf(failed)[0]?.[0]?.use).not.toBe('LEFT_OUT');
      expect(await endsOf(failed)).toMatchObject([
        {
          answer: { status: 'FAILED' },
          error: { code: 'FILE_UNREADABLE', fixableBy: 'OPERATOR', retryAt: null },
        },
      ]);
      expect(await statusOfKey(model())).toBe('ACTIVE');
      const next = await send(threadId, [model()], { text: 'And now?' });
      expect(usesOf(next)[0]).toMatchObject([lost()]);
      expect(await endsOf(next)).toMatchObject([{ answer: { status: 'COMPLETE' } }]);
      await server.app.db
        .update(attachments)
        .set({ unreadableAt: sql`now() - interval '61 minutes'` })
        .where(eq(attachments.id, id));
      expect(usesOf(await send(threadId, [model()], { text: 'And now?' }))[0]?.[0]?.use).not.toBe('LEFT_OUT');
    },
  );
});

test('a file without its root key fails an answer, and is sent again once the key is there', async () => {
  const { id } = await upload(ada, 'Kept for long');
  const first = await sendNew([modelOf('OPENAI')], [id]);
  await endsOf(first);
  const isFile = eq(attachments.id, id);
  const [row] = await server.app.db.select({ rootId: attachments.rootId }).from(attachments).where(isFile);
  await server.app.db.update(attachments).set({ rootId: 'another' }).where(isFile);
  const failed = await send(first.thread.id, [modelOf('OPENAI')]);
  expect(await endsOf(failed)).toMatchObject([{ error: { code: 'FILE_UNREADABLE' } }]);
  await server.app.db
    .update(attachments)
    .set(row ?? {})
    .where(isFile);
  const next = await send(first.thread.id, [modelOf('OPENAI')]);
  expect(usesOf(next)[0]).toMatchObject([{ use: 'AS_TEXT' }]);
  expect(await endsOf(next)).toMatchObject([{ answer: { status: 'COMPLETE' } }]);
});

describe('a provider that refuses a request', { timeout: 60_000 }, () => {
  test('a PDF that is protected goes as text, which no provider refuses', async () => {
    const { id } = await upload(ada, makeEncryptedPdf('Only printing is forbidden', ''), {
      fileName: 'a.pdf',
    });
    const text = unique();
    const sent = await sendNew(READ_PDFS.map(bestOf), [id], { text });
    const use = {
      use: 'AS_TEXT',
      note: 'It is sent as text, because it is protected, which no provider takes.',
    };
    expect(usesOf(sent)).toMatchObject(READ_PDFS.map(() => [use]));
    for (const body of await bodiesOf(sent, text)) expect(body).toContain('Only printing is forbidden');
  });

  test.each(READ_PDFS)('%s is not sent a file again that it has refused', async (provider) => {
    const bytes = makeEncryptedPdf('Refused', '');
    const [pdf, text] = [await upload(ada, bytes, { fileName: 'a.pdf' }), await upload(ada, 'Some notes.')];
    // As if it were anything else that this server does not see and the provider does not like.
    await server.app.db.update(attachments).set({ isEncrypted: false }).where(eq(attachments.id, pdf.id));
    const [model, other] = [bestOf(provider), bestOf(provider === 'OPENAI' ? 'GEMINI' : 'OPENAI')];
    const first = await sendNew([model], [pdf.id, text.id]);
    expect(usesOf(first)[0]).toMatchObject([{ use: 'NATIVE' }, { use: 'AS_TEXT' }]);
    expect(await endsOf(first)).toMatchObject([
      { answer: { status: 'FAILED' }, error: { code: 'BAD_REQUEST' } },
    ]);
    const threadId = first.thread.id;
    const next = await send(threadId, [model, other], { text: 'And now?' });
    const note = `It is sent as text, because ${server.app.providers[provider].title} refused a request with it.`;
    expect(usesOf(next)).toMatchObject([
      [
        { use: 'AS_TEXT', note },
        { use: 'AS_TEXT', note: null },
      ],
      [{ use: 'NATIVE' }, { use: 'AS_TEXT' }],
    ]);
    expect((await endsOf(next))[0]).toMatchObject({ answer: { status: 'COMPLETE' } });
  });

  test.each(['limited-always', 'error-first', 'cut'])(
    'a file stays as it is after an answer that failed otherwise: %s',
    async (fault) => {
      const { id } = await upload(ada, makePdf(['One page.']), { fileName: 'a.pdf' });
      const failed = await sendNew([bestOf('OPENAI')], [id], { text: `Well?\nsimulate: ${fault}` });
      expect(await endsOf(failed)).toMatchObject([{ answer: { status: 'FAILED' } }]);
      expect(usesOf(await send(failed.thread.id, [bestOf('OPENAI')]))[0]).toMatchObject([{ use: 'NATIVE' }]);
    },
  );
});

describe('with files in its history', { timeout: 120_000 }, () => {
  test.each(PROVIDER_NAMES)('a turn of %s begins with the bytes of the turn before it', async (provider) => {
    const model = bestOf(provider);
    const seesImages = model.capabilities.includes('IMAGE_INPUT');
    const files = [
      await upload(ada, makePdf(['One page.']), { fileName: 'a.pdf' }),
      await upload(ada, 'Some notes.'),
      ...(seesImages ? [await upload(ada, makePng(30, 30), { fileName: 'a.png' })] : []),
    ];
    const threadId = await threadOf();
    const sent: string[] = [];
    for (const attachmentIds of [files.map(({ id }) => id), [], [files[1]?.id ?? ''], []]) {
      const text = unique();
      const message = await send(threadId, [model], { text, attachmentIds });
      const [body = ''] = await bodiesOf(message, text);
      const { messages: chat, input, contents } = JSON.parse(body);
      sent.push(JSON.stringify(chat ?? input ?? contents).slice(0, -1));
    }
    for (const [index, text] of sent.slice(1).entries())
      expect(text.startsWith(sent[index] ?? '-')).toBe(true);
  });

  test('every provider goes on after every other one in a thread with an image and a PDF, without a refusal', async () => {
    const files = [
      await upload(ada, makePng(30, 30), { fileName: 'a.png' }),
      await upload(ada, makePdf(['One page.']), { fileName: 'a.pdf' }),
      await upload(ada, makeScannedPdf(), { fileName: 'scan.pdf' }),
      await upload(ada, 'Some notes.'),
    ];
    const text = 'And then?\nsimulate: say One step further.';
    const begun = await sendNew(
      [modelOf('ANTHROPIC')],
      files.map(({ id }) => id),
      { text },
    );
    await endsOf(begun);
    const before = server.simulator.requests.length;
    const asked = PROVIDER_NAMES.map(bestOf);
    let parentId = begun.answers[0]?.id;
    let count = 0;
    for (const first of asked) {
      for (const second of asked) {
        for (const model of [first, second]) {
          const sent = await send(begun.thread.id, [model], { text, ...(parentId && { parentId }) });
          expect(usesOf(sent)[0]).toHaveLength(files.length);
          const [end] = await endsOf(sent);
          expect({ model: model.name, ...end }).toMatchObject({ answer: { status: 'COMPLETE' } });
          parentId = sent.answers[0]?.id;
          count += 1;
        }
      }
    }
    const requests = server.simulator.requests.slice(before).filter(({ method }) => method === 'POST');
    // A refusal that was corrected would be one request more.
    expect(requests).toHaveLength(count);
  }, 300_000);
});
