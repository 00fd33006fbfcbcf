import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { describe, expect, inject, test } from 'vitest';
import { applyDelta, type Event, follow, isEnd, readAnswer, TRANSPORTS } from './kit/answer.ts';
import { createMigratedDatabase } from './kit/database.ts';
import { startDatabaseProxy } from './kit/database-proxy.ts';
import { eventually } from './kit/eventually.ts';
import { documentOf, type NamedModel, type Person, personOf, post, signUp } from './kit/person.ts';
import { SECRETS, startServerProcess } from './kit/process.ts';
import { openSocket } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { startTickingProvider } from './kit/ticking-provider.ts';

const serverUrl = inject('postgresUrl');

const OVERLOADED = 'The database cannot be reached, or is too busy. Wait a moment, then try again.';

/** How long the database is away. A silence shorter than the patience with a statement would only slow things down. */
const AWAY_MS = { stopped: outageMs(3_000), silent: outageMs(9_000) };

/** Patience with one statement or with finding a connection, and what it takes to hear of it. */
const FAILS_WITHIN_MS = 8_000;

/** Once it is back, waiting work retries within seconds. */
const LATER_MS = 15_000;

describe.runIf(serverUrl !== undefined).concurrent('while the database is away', { timeout: 120_000 }, () => {
  test.for(['stopped', 'silent'] as const)(
    'tokens flow on, everything else fails clean and soon, and all is saved once it is back: %s',
    async (how, { onTestFinished }) => {
      await using house = await openHouse(onTestFinished);
      const { provider, proxy, ada, model, url } = house;
      const [ends, goesOn] = [await begin(house), await begin(house)];
      const socket = await openSocket(url, { init: { authorization: `Bearer ${ada.token}` } });
      await socket.message('connection_ack');
      await eventually('both have text', () => ends.held.text !== '' && goesOn.held.text !== '');
      expect(await probe(url)).toEqual({ live: 200, ready: 200 });

      await (how === 'stopped' ? proxy.cut() : proxy.silence());
      const awayAt = performance.now();
      provider.finish(ends.question);
      const tried: Tried[] = [];
      for (let number = 0; performance.now() - awayAt < AWAY_MS[how]; number++) {
        tried.push(await trySending(ada, model, ends.threadId, number));
        expect(await probe(url)).toEqual({ live: 200, ready: 503 });
        socket.send({ type: 'subscribe', id: `${number}`, payload: { query: '{ viewer { id } }' } });
        await sleep(250); // a person does not try faster
      }
      const late = await openSocket(url, { init: { authorization: `Bearer ${ada.token}` } });
      const lateClose = await late.closed;
      expect(ends.end).toBeUndefined();
      const textWhileAway = goesOn.held.text;

      await proxy.restore();
      await eventually('it is ready again', async () => (await probe(url)).ready === 200, LATER_MS);
      await eventually('the end of the one that ended', () => ends.end !== undefined, LATER_MS);
      provider.finish(goesOn.question);
      await eventually('the end of the other one', () => goesOn.end !== undefined);
      for (const answer of [ends, goesOn]) {
        const text = provider.asked(answer.question)?.text;
        expect(answer.held.text).toBe(text);
        expect(answer.end).toMatchObject({
          __typename: 'AnswerFinished',
          answer: { status: 'COMPLETE', text },
        });
        expect(await savedText(house, answer)).toBe(text);
        expect(answer.longestGapMs()).toBeLessThan(2_000);
      }
      expect(tried.every(({ reply }) => reply === `OVERLOADED ${OVERLOADED}`)).toBe(true);
      expect(Math.max(...tried.map(({ tookMs }) => tookMs))).toBeLessThan(FAILS_WITHIN_MS);
      expect(socket.socket.readyState).toBe(socket.socket.OPEN);
      expect(lateClose).toBe('1013 Try again later');
      const again = await ada.ask('Briefly, are you back?', [model], ends.threadId);
      expect((await readAnswer(house.client, again.answers[0]?.id ?? '')).end?.answer.status).toBe(
        'COMPLETE',
      );
      socket.socket.terminate();

      const slowest = Math.max(...tried.map(({ tookMs }) => tookMs));
      say(
        `the database ${how} for ${AWAY_MS[how]} ms: ${textWhileAway.length} characters sent by then, ` +
          `${tried.length} sends refused in at most ${Math.round(slowest)} ms, both answers COMPLETE and whole, ` +
          `longest pause between deltas ${Math.round(Math.max(ends.longestGapMs(), goesOn.longestGapMs()))} ms`,
      );
    },
  );

  test('a server that the database no longer hears keeps its hold once it does', async ({
    onTestFinished,
  }) => {
    await using house = await openHouse(onTestFinished);
    const before = await holderOf(house.beside);
    house.proxy.silence();
    await house.server.line(/the hold of the database could not be looked at/);
    await house.proxy.restore();
    await eventually(
      'it holds by another one',
      async () => ![before, 0].includes(await holderOf(house.beside)),
      LATER_MS,
    );
    expect(house.server.process.exitCode).toBeNull();
  });

  test('a server that is stopped while the database is silent stops, and the next one finds what was saved', async ({
    onTestFinished,
  }) => {
    await using house = await openHouse(onTestFinished);
    const { proxy, server, ada } = house;
    const answer = await begin(house);
    await eventually('it is saved', async () => (await chunksOf(house, answer)) !== '');
    const saved = await chunksOf(house, answer);
    proxy.silence();
    const stoppedAt = performance.now();
    server.process.kill('SIGTERM');
    expect((await server.ended).exitCode).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(30_000);
    say(`stopped in a silence: gone after ${Math.round(performance.now() - stoppedAt)} ms`);

    await proxy.restore();
    await house.beside`
      select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'latchkey on %'
        and datname = current_database()`;
    const second = await startServerProcess(house.env, onTestFinished);
    const again = await personOf(second.url, ada.email, ada.token);
    const { end } = await readAnswer(TRANSPORTS.WebSocket(again), answer.answerId);
    expect(end?.answer.status).toBe('INTERRUPTED');
    expect(end?.answer.text.startsWith(saved)).toBe(true);
  });

  test('a send whose commit was not acknowledged is answered, and repeating it gives the same message', async ({
    onTestFinished,
  }) => {
    await using house = await openHouse(onTestFinished);
    const { proxy, ada, model, provider, client } = house;
    const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: ada.workspaceId },
    });
    const input = {
      threadId: thread.id,
      text: 'Briefly, once?',
      modelIds: [model.id],
      idempotencyKey: 'once',
    };
    proxy.loseReplyTo('commit');
    await expect(ada.run('send-message', { input })).rejects.toThrow('OVERLOADED');
    const repeated = await ada.run<{ userMessage: { id: string }; answers: { id: string }[] }>(
      'send-message',
      {
        input,
      },
    );
    const { end } = await readAnswer(client, repeated.answers[0]?.id ?? '');
    expect(end?.answer).toMatchObject({ status: 'COMPLETE', text: provider.asked(input.text)?.text });
    const rows = await house.beside`select id from messages where text = ${input.text}`;
    expect(rows).toEqual([{ id: repeated.userMessage.id }]);
  });

  test('a locked row of one answer does not delay the text of another', async ({ onTestFinished }) => {
    await using house = await openHouse(onTestFinished);
    const [locked, free] = [await begin(house), await begin(house)];
    await eventually('both have text', () => locked.held.text !== '' && free.held.text !== '');
    await house.beside.begin(async (tx) => {
      await tx`select id from messages where id = ${locked.answerId} for update`;
      const before = await chunksOf(house, free);
      await eventually('the other one is saved', async () => (await chunksOf(house, free)) !== before);
    });
    const before = await chunksOf(house, locked);
    await eventually('and then this one', async () => (await chunksOf(house, locked)) !== before);
    expect(locked.end).toBeUndefined();
  });
});

/** A server on a database of its own, to which a test can break the way, and a person who asks. */
async function openHouse(whenOver: (end: () => void) => void) {
  const provider = await startTickingProvider();
  const databaseUrl = await createMigratedDatabase(serverUrl ?? '');
  const proxy = await startDatabaseProxy(databaseUrl);
  const env = { ...SECRETS, DATABASE_URL: proxy.url, LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host };
  const server = await startServerProcess(env, whenOver);
  const ada = await signUp(server.url);
  const model = (await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl })).models[0] as NamedModel;
  const client = TRANSPORTS.WebSocket(ada);
  const beside = postgres(databaseUrl, { max: 2, onnotice: () => {} });
  return {
    ...{ provider, proxy, env, server, url: server.url, ada, model, client, beside },
    async [Symbol.asyncDispose]() {
      client.drop();
      server.process.kill('SIGKILL');
      await server.ended;
      await beside.end();
      await proxy[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}

type House = Awaited<ReturnType<typeof openHouse>>;

/** An answer that is being written, and what its follower holds. */
interface Followed {
  question: string;
  answerId: string;
  threadId: string;
  held: { text: string; reasoning: string };
  end: Event | undefined;
  /** The longest time without a delta, until the end or until now. */
  longestGapMs(): number;
}

async function begin({ ada, model, client }: House): Promise<Followed> {
  const question = `Question ${crypto.randomUUID()}`;
  const { answers, thread } = await ada.ask(question, [model]);
  const answerId = answers[0]?.id ?? '';
  const times: number[] = [];
  const followed: Followed = {
    ...{ question, answerId, threadId: thread.id, held: { text: '', reasoning: '' }, end: undefined },
    longestGapMs: () => Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time))),
  };
  async function read(): Promise<void> {
    for await (const event of follow(client, 'answer-events', { answerId })) {
      if (event.__typename === 'AnswerDelta') times.push(performance.now());
      if (event.__typename === 'AnswerDelta') applyDelta(followed.held, event);
      if (isEnd(event)) followed.end = event;
    }
  }
  read().catch(() => {}); // without an end the test goes no further
  return followed;
}

interface Tried {
  reply: string;
  tookMs: number;
}

async function trySending(
  person: Person,
  model: NamedModel,
  threadId: string,
  number: number,
): Promise<Tried> {
  const startedAt = performance.now();
  const input = { threadId, text: `Briefly, number ${number}`, modelIds: [model.id] };
  const { errors } = await post(person.url, person.token, {
    query: documentOf('send-message'),
    variables: { input },
  });
  const reply = errors?.map(({ message, extensions }) => `${extensions.code} ${message}`).join() ?? 'none';
  return { reply, tookMs: performance.now() - startedAt };
}

async function probe(url: string): Promise<{ live: number; ready: number }> {
  // A connection that is kept would be closed by the server about when a slow refusal lets the test look again.
  const look = (path: string) => fetch(`${url}${path}`, { headers: { connection: 'close' } });
  const [live, ready] = await Promise.all([look('/health/live'), look('/health/ready')]);
  return { live: live.status, ready: ready.status };
}

async function chunksOf({ beside }: House, { answerId }: Followed): Promise<string> {
  const rows =
    await beside`select text from answer_chunks where message_id = ${answerId} order by from_offset`;
  return rows.map(({ text }) => text).join('');
}

async function savedText({ beside }: House, { answerId }: Followed): Promise<string> {
  const [row] = await beside`select text from messages where id = ${answerId}`;
  return row?.text;
}

/** The connection that holds the database at this moment; 0 for none. */
async function holderOf(beside: postgres.Sql): Promise<number> {
  const [row] = await beside`
    select pid from pg_locks where locktype = 'advisory' and objid = 7345002 and granted
      and database = (select oid from pg_database where datname = current_database())`;
  return row?.pid ?? 0;
}

function outageMs(usual: number): number {
  return Number(process.env.LATCHKEY_TEST_OUTAGE_MS ?? usual);
}
