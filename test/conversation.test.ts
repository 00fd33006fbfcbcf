import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Event, type Follower, follow, isEnd } from './kit/answer.ts';
import { nodesOf, type Page } from './kit/page.ts';
import type { NamedModel, Person, Sent } from './kit/person.ts';
import { type ScriptedCall, type ScriptedProvider, startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { newThread } from './kit/thread.ts';

/** What a person sees of a thread is what a model is sent of it, whatever became of each answer. */

let provider: ScriptedProvider;
let server: TestServer;
let ada: Person;
let models: NamedModel[];
let client: Follower;

beforeAll(async () => {
  provider = await startScriptedProvider(COLUMNS);
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  ada = await server.signUp();
  const added = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  models = COLUMNS.map((name) => added.models.find((model) => model.name === name) ?? expect.unreachable());
  client = ada.socket();
});
afterAll(async () => {
  await client?.dispose();
  await server?.close();
  await provider?.[Symbol.asyncDispose]();
});

describe('a follow-up', () => {
  test('a follow-up carries every turn of its branch that has text, in order, and both roles alternate', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(SEND, { minLength: 2, maxLength: 5 }), async (sends) => {
        const { id: threadId } = await newThread(ada);
        const writing: Column[] = [];
        for (const { fates, parent } of sends) {
          const before = await messagesOf(threadId);
          const named = parent === null ? undefined : before[parent % before.length];
          const sent = await send(threadId, fates.length, named?.id);
          const columns = await Promise.all(sent.answers.map(() => nextColumn(sent)));

          const parentId = (await messagesOf(threadId)).find(({ id }) => id === sent.userMessage.id)?.parent
            ?.id;
          expect(parentId).toBe(named?.id ?? defaultParent(before));
          for (const { call } of columns)
            expectConversation(call, [
              ...branchTo(before, parentId),
              { role: 'USER', text: sent.userMessage.text },
            ]);

          for (const column of columns) {
            const fate = fates[COLUMNS.indexOf(column.call.body.model)] ?? expect.unreachable();
            await FATES[fate](column);
            if (fate === 'is still writing') writing.push(column);
          }
        }
        for (const column of writing) await FATES['is complete'](column);
      }),
      {
        numRuns: 10,
        examples: [
          [
            [
              { fates: ['fails', 'is silent'], parent: null },
              { fates: ['is complete'], parent: null },
            ],
          ],
        ],
      },
    );
  }, 120_000);

  test('a follow-up to a comparison with two failed columns carries what the third one said, and says where it was cut off', async () => {
    const { id: threadId } = await newThread(ada);
    const compared = await send(threadId, 3);
    const columns = await Promise.all(compared.answers.map(() => nextColumn(compared)));
    for (const column of columns)
      await FATES[column.call.body.model === 'middle' ? 'is cut off' : 'fails'](column);
    const followUp = await send(threadId, 1);
    const column = await nextColumn(followUp);
    expect(column.call.body.messages.map(({ role, content }) => `${role}: ${content}`)).toEqual([
      `user: ${compared.userMessage.text}`,
      'assistant: Said by middle.',
      `user: [The answer above was cut off before its end.]\n\n${followUp.userMessage.text}`,
    ]);
    await FATES['is complete'](column);
  });

  test('a follow-up to a question that was never answered carries both questions as one turn', async () => {
    const { id: threadId } = await newThread(ada);
    const first = await send(threadId, 1);
    await FATES.fails(await nextColumn(first));
    const second = await send(threadId, 1);
    const column = await nextColumn(second);
    expect(column.call.body.messages).toEqual([
      { role: 'user', content: `${first.userMessage.text}\n\n${second.userMessage.text}` },
    ]);
    await FATES['is complete'](column);
  });
});

const COLUMNS = ['left', 'middle', 'right'];

/** An answer, and the call of the provider that writes it. */
interface Column {
  answerId: string;
  call: ScriptedCall;
}

interface ReadMessage {
  id: string;
  role: string;
  status: string;
  text: string;
  parent: { id: string } | null;
}

/** What can become of an answer. */
const FATES = {
  'is complete': async ({ answerId, call }: Column) => {
    say(call);
    call.finish();
    await endOf(answerId);
  },
  'is as long as it may be': async ({ answerId, call }: Column) => {
    say(call);
    call.finish('length');
    await endOf(answerId);
  },
  'is cut off': async ({ answerId, call }: Column) => {
    say(call);
    await textOf(answerId);
    call.cut();
    await endOf(answerId);
  },
  'is stopped': async ({ answerId, call }: Column) => {
    say(call);
    await textOf(answerId);
    await ada.run('stop-answer', { input: { answerId } });
  },
  fails: async ({ answerId, call }: Column) => {
    call.refuse(400);
    await endOf(answerId);
  },
  'is silent': async ({ answerId, call }: Column) => {
    call.finish();
    await endOf(answerId);
  },
  'is blank': async ({ answerId, call }: Column) => {
    call.write({ content: ' \n' });
    call.finish();
    await endOf(answerId);
  },
  'is still writing': async ({ answerId, call }: Column) => {
    say(call);
    await textOf(answerId);
  },
} as const;

const SEND = fc.record({
  fates: fc.array(fc.constantFrom(...(Object.keys(FATES) as (keyof typeof FATES)[])), {
    minLength: 1,
    maxLength: 3,
  }),
  /** Which message it replies to; null to leave that to the server. */
  parent: fc.option(fc.nat(), { freq: 2 }),
});

function say(call: ScriptedCall): void {
  call.write({ content: `Said by ${call.body.model}.` });
}

async function send(threadId: string, columns: number, parentId?: string): Promise<Sent> {
  const modelIds = models.slice(0, columns).map(({ id }) => id);
  const text = `Question ${crypto.randomUUID()}`;
  return await ada.run<Sent>('send-message', { input: { threadId, text, modelIds, parentId } });
}

async function nextColumn(sent: Sent): Promise<Column> {
  const call = await provider.nextCall();
  const answer = sent.answers.find(({ modelName }) => modelName === call.body.model);
  return { call, answerId: answer?.id ?? expect.unreachable() };
}

async function messagesOf(threadId: string): Promise<ReadMessage[]> {
  return nodesOf((await ada.run<{ messages: Page<ReadMessage> }>('thread', { id: threadId })).messages);
}

async function eventOf(answerId: string, matches: (event: Event) => boolean): Promise<void> {
  for await (const event of follow(client, 'answer-events', { answerId })) if (matches(event)) return;
}

const endOf = (answerId: string) => eventOf(answerId, isEnd);
const textOf = (answerId: string) => eventOf(answerId, ({ part }) => part === 'TEXT');

/** The newest answer to the newest question that has ended with text; the question if there is none. */
function defaultParent(messages: readonly ReadMessage[]): string | undefined {
  const question = messages.findLast(({ role }) => role === 'USER');
  const answer = messages.findLast(
    ({ parent, status, text }) => parent?.id === question?.id && status !== 'WRITING' && text.trim() !== '',
  );
  return question && (answer ?? question).id;
}

function branchTo(messages: readonly ReadMessage[], leafId: string | undefined): ReadMessage[] {
  const leaf = messages.find(({ id }) => id === leafId);
  return leaf === undefined ? [] : [...branchTo(messages, leaf.parent?.id), leaf];
}

function expectConversation({ body }: ScriptedCall, shown: readonly { role: string; text: string }[]): void {
  const roles = body.messages.map(({ role }) => role);
  expect(roles).toEqual(roles.map((_role, index) => (index % 2 === 0 ? 'user' : 'assistant')));
  expect(roles.at(-1)).toBe('user');
  let from = 0;
  for (const { role, text } of shown.filter(({ text }) => text.trim() !== '')) {
    const found = body.messages.findIndex(
      ({ role: sentAs, content }, index) =>
        index >= from && sentAs === (role === 'USER' ? 'user' : 'assistant') && content.includes(text),
    );
    expect(found, `${text} in ${JSON.stringify(body.messages)}`).toBeGreaterThanOrEqual(from);
    from = found;
  }
}
