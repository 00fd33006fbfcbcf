import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { applyDelta, follow, readAnswer, TRANSPORTS } from './kit/answer.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { type NamedModel, type Person, personOf, signUp } from './kit/person.ts';
import { newPlace, ROUNDS, startServerProcess } from './kit/process.ts';
import { say } from './kit/say.ts';
import { startTickingProvider, type TickingProvider } from './kit/ticking-provider.ts';

/** A checkpoint every half second and the time it takes, which is more beside the other tests than in a run of its own. */
const MAY_BE_LOST_MS = process.env.LATCHKEY_TEST_ROUNDS === undefined ? 1_500 : 600;

const LONGEST_WAIT_MS = 1_800;

interface ThreadMessage {
  id: string;
  status: string;
  text: string;
}

test('a server that is killed in mid-answer, again and again, keeps what was written and everything it acknowledged', {
  timeout: 30_000 + ROUNDS * 20_000,
}, async () => {
  await using provider = await startTickingProvider();
  const env = {
    ...(await newPlace()),
    LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host,
    LATCHKEY_OPERATION_BURST: '100000', // one person reads everything in the end
  };
  const acknowledged = new Map<string, string>();
  const totals = { withText: 0, seen: 0, kept: 0, lostMs: 0 };

  let server = await startServerProcess(env);
  let ada = await signUp(server.url);
  const model = (await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl })).models[0] as NamedModel;
  const talk = await ada.ask('Briefly, hello.', [model]);
  const chatter = await ada.ask('Briefly, hello to you too.', [model]);
  await endOf(ada, talk.answers[0]?.id ?? '');

  for (let round = 1; round <= ROUNDS; round++) {
    const question = `Question ${round}`;
    const sent = await ada.ask(question, [model], talk.thread.id);
    acknowledged.set(sent.userMessage.id, question);
    const answerId = sent.answers[0]?.id ?? '';
    const seen = watch(ada, answerId);
    const sends = keepSending(ada, model, chatter.thread.id, acknowledged);
    await sleep(Math.random() * LONGEST_WAIT_MS); // the moment is what chance shall decide
    server.process.kill('SIGKILL');
    const killedAt = performance.now();
    await Promise.all([server.ended, sends]);

    server = await startServerProcess(env);
    ada = await personOf(server.url, ada.email, ada.token);
    const kept = (await messagesOf(ada, talk.thread.id)).find(({ id }) => id === answerId);
    const written = provider.asked(question)?.text ?? '';
    const sentBefore = seen.textAt(killedAt - MAY_BE_LOST_MS);
    expect(kept?.status).toBe('INTERRUPTED');
    expect(written.startsWith(kept?.text ?? 'nothing')).toBe(true);
    expect(kept?.text.startsWith(sentBefore)).toBe(true);
    totals.withText += seen.textAt(killedAt) === '' ? 0 : 1;
    totals.seen += seen.textAt(killedAt).length;
    totals.kept += kept?.text.length ?? 0;
    totals.lostMs = Math.max(totals.lostMs, killedAt - seen.timeBeyond(kept?.text ?? ''));

    const next = await ada.ask(`Briefly, after ${round}`, [model], talk.thread.id);
    acknowledged.set(next.userMessage.id, `Briefly, after ${round}`);
    expect(await endOf(ada, next.answers[0]?.id ?? '')).toBe('COMPLETE');
    expectContext(provider, `Briefly, after ${round}`, question, kept?.text ?? '');
  }

  const all = [...(await messagesOf(ada, talk.thread.id)), ...(await messagesOf(ada, chatter.thread.id))];
  const texts = new Map(all.map(({ id, text }) => [id, text]));
  expect([...acknowledged].filter(([id, text]) => texts.get(id) !== text)).toEqual([]);
  expect(all.filter(({ status }) => status === 'WRITING')).toEqual([]);
  server.process.kill('SIGTERM');
  expect((await server.ended).exitCode).toBe(0);
  const engine = inject('postgresUrl') === undefined ? 'the embedded engine' : 'PostgreSQL';
  say(
    `kill -9, ${ROUNDS} times on ${engine}: ${totals.withText} while text was being written; of ${totals.seen} characters ` +
      `that clients had seen, ${totals.kept} kept, the lost ones at most ${Math.round(totals.lostMs)} ms old; ` +
      `${acknowledged.size} acknowledged messages, none lost`,
  );
});

/** Follows an answer and remembers when which text was there. */
function watch(person: Person, answerId: string): Watched {
  const seen: { at: number; text: string }[] = [];
  const held = { text: '', reasoning: '' };
  const client = TRANSPORTS.WebSocket(person);
  async function read(): Promise<void> {
    for await (const event of follow(client, 'answer-events', { answerId })) {
      if (event.__typename === 'AnswerDelta' && applyDelta(held, event))
        seen.push({ at: performance.now(), text: held.text });
    }
  }
  read().catch(() => {}); // the server is killed under it
  return {
    textAt: (time) => seen.findLast(({ at }) => at <= time)?.text ?? '',
    timeBeyond: ({ length }) => seen.find(({ text }) => text.length > length)?.at ?? Number.POSITIVE_INFINITY,
  };
}

interface Watched {
  /** What the client held at a time. */
  textAt(time: number): string;
  /** When it first held more than this. */
  timeBeyond(text: string): number;
}

/** Sends short messages one after another until the server is gone, and notes those that were acknowledged. */
async function keepSending(
  person: Person,
  model: NamedModel,
  threadId: string,
  acknowledged: Map<string, string>,
): Promise<void> {
  for (;;) {
    const text = `Briefly, ${crypto.randomUUID()}`;
    const sent = await person.ask(text, [model], threadId).catch(() => undefined);
    if (sent === undefined) return;
    acknowledged.set(sent.userMessage.id, text);
  }
}

async function endOf(person: Person, answerId: string): Promise<string | undefined> {
  const client = person.socket();
  const { end } = await readAnswer(client, answerId);
  await client.dispose();
  return end?.answer.status;
}

async function messagesOf(person: Person, threadId: string): Promise<ThreadMessage[]> {
  const found: ThreadMessage[] = [];
  for (let before: string | null = null; ; ) {
    const { messages }: { messages: Page<ThreadMessage> } = await person.run('thread', {
      id: threadId,
      before,
    });
    found.unshift(...nodesOf(messages));
    if (!messages.pageInfo.hasPreviousPage) return found;
    before = messages.pageInfo.startCursor;
  }
}

/** A model is sent what was interrupted as far as it was kept, and that it is only a part; an answer without text is left out. */
function expectContext(provider: TickingProvider, asked: string, question: string, kept: string): void {
  const sent = provider.asked(asked)?.turns.map(({ content }) => content) ?? [];
  const part = kept === '' ? [] : [kept, '[The answer above was cut off before its end.]'];
  const said = sent.join('\n\n');
  expect(said.slice(said.lastIndexOf(question))).toBe([question, ...part, asked].join('\n\n'));
}
