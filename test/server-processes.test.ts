import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { postAccount } from './kit/account-request.ts';
import { askHeld, type Event, follow, isEnd, TRANSPORTS } from './kit/answer.ts';
import { startCommand } from './kit/command.ts';
import { createMigratedDatabase } from './kit/database.ts';
import { through } from './kit/fleet.ts';
import { expectFollowedElsewhere } from './kit/followed-elsewhere.ts';
import { type NamedModel, type Person, signUp } from './kit/person.ts';
import { SECRETS, type ServerProcess, startServerProcess } from './kit/process.ts';
import { canStartRedis, type OwnRedis, startRedis } from './kit/redis.ts';
import { type RedisSpy, spyOnRedis } from './kit/redis-spy.ts';
import { formsFound } from './kit/secret-scan.ts';
import { readThread } from './kit/watch.ts';

/** Servers as an operator starts them, beside each other on one database, with a Redis and with none that answers. */

const serverUrl = inject('postgresUrl') ?? '';
const canRun = serverUrl !== '' && canStartRedis;
const NOTHING_ANSWERS = 'redis://127.0.0.1:1';
const PASSWORD = 'correct horse battery'; // of every person of the tests

const CARRIERS = ['a Redis', 'no Redis that answers'] as const;
const transports = Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[];

describe.runIf(canRun).each(CARRIERS)('two server processes, with %s', { timeout: 60_000 }, (carrier) => {
  const ends: (() => void)[] = [];
  const whenOver = (end: () => void) => ends.push(end);
  let simulator: Simulator;
  let redis: OwnRedis | undefined;
  let spy: RedisSpy | undefined;
  let a: ServerProcess;
  let b: ServerProcess;
  let env: Record<string, string>;

  beforeAll(async () => {
    simulator = await startSimulator({ paceMs: 0 });
    if (carrier === 'a Redis') {
      redis = await startRedis(undefined, whenOver);
      spy = await spyOnRedis(redis.url);
    }
    const { CUSTOM, ...urls } = simulator.baseUrls;
    env = {
      ...SECRETS,
      DATABASE_URL: await createMigratedDatabase(serverUrl),
      REDIS_URL: redis?.url ?? NOTHING_ANSWERS,
      LATCHKEY_PROVIDER_URLS: JSON.stringify(urls),
      LATCHKEY_ALLOWED_PRIVATE_HOSTS: new URL(CUSTOM).host,
    };
    [a, b] = await Promise.all([startServerProcess(env, whenOver), startServerProcess(env, whenOver)]);
  });

  afterAll(async () => {
    spy?.[Symbol.dispose]();
    for (const end of ends) end();
    await simulator?.close();
  });

  /** A person at both servers, and an answer that the first one writes token by token. */
  async function startHeld() {
    const { ada, model } = await arrive();
    const asked = await askHeld(simulator, ada, model, { directive: 'tokens=40' });
    return { ada, model, adaAtB: await through(b, ada), ...asked };
  }

  async function arrive(secret = `sk-sim-${crypto.randomUUID()}`) {
    const ada = await signUp(a.url);
    const { models } = await ada.addKey('OPENAI', secret);
    return { ada, model: models.find(({ name }) => name === 'gpt-4.1-nano') as NamedModel };
  }

  test.each(transports)(
    'an answer of one is followed through the other, delta by delta, over %s',
    async (transport) => {
      await expectFollowedElsewhere(await startHeld(), transport);
    },
  );

  test('an answer of one is stopped through the other', async () => {
    const { adaAtB, answerId, call } = await startHeld();
    call.release(3);
    const beganAtMs = performance.now();
    const stopped = await adaAtB.run<{ answer: { status: string } }>('stop-answer', { input: { answerId } });
    expect(stopped.answer.status).toBe('STOPPED');
    expect(performance.now() - beganAtMs).toBeLessThan(3_000);
    expect(await call.closed).toBe('left');
  });

  test('a third server that starts and stops ends no answer of the others', async () => {
    const { adaAtB, threadId, answerId, call } = await startHeld();
    const client = TRANSPORTS.WebSocket(adaAtB);
    const events = follow(client, 'answer-events', { answerId });
    const c = await startServerProcess(env);
    c.process.kill('SIGTERM');
    expect((await c.ended).exitCode).toBe(0);
    call.release();
    expect((await endOf(events)).answer.status).toBe('COMPLETE');
    expect((await readAnswer(adaAtB, threadId, answerId)).status).toBe('COMPLETE');
    await client.dispose();
  });

  test('signing out through one closes the sockets at the other', async () => {
    const ada = await signUp(a.url);
    const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: ada.workspaceId },
    });
    const socket = (await through(b, ada)).socket();
    const closed = new Promise<number>((resolve) =>
      socket.on('closed', (event) => resolve((event as CloseEvent).code)),
    );
    await follow(socket, 'thread-events', { threadId: thread.id }).next();
    await postAccount(a, 'sign-out', {}, { authorization: `Bearer ${ada.token}` });
    expect(await closed).toBe(4403);
  });

  test('the answers of a person are counted over both', async () => {
    const { ada, model } = await arrive();
    const places = [ada, await through(b, ada)];
    const sends = places.flatMap((person) =>
      Array.from({ length: 20 }, () => person.ask('simulate: held', [model])),
    );
    const outcomes = (await Promise.all(sends)).map(({ __typename }) => __typename);
    expect(outcomes.filter((name) => name === 'SendMessagePayload')).toHaveLength(16);
    expect(outcomes.filter((name) => name === 'BusyError')).toHaveLength(24);
    simulator.release();
  });

  // Without Redis each server counts for itself, and there is nothing to listen to.
  if (carrier === 'no Redis that answers') return;

  test('wrong passwords and refused keys are counted over both', async () => {
    const ada = await signUp(a.url);
    const people = [ada, await through(b, ada)];
    const tries: number[] = [];
    const checks: string[] = [];
    for (let count = 0; count < 14; count++) {
      const attempt = { email: ada.email, password: WRONG_PASSWORD };
      tries.push((await postAccount(count % 2 === 0 ? a : b, 'sign-in/email', attempt)).status);
      checks.push((await (people[count % 2] as Person).addKey('OPENAI', REFUSED_KEY)).__typename);
    }
    expect(tries.filter((status) => status === 401)).toHaveLength(10);
    expect(checks.filter((name) => name === 'ProviderRefusedError')).toHaveLength(10);
  });

  test('Redis is told no secret and keeps nothing but windows of limits', async () => {
    const { ada, model } = await arrive(CANARY);
    const adaAtB = await through(b, ada);
    const { answerId, call } = await askHeld(simulator, ada, model, { directive: 'tokens=40' });
    const client = TRANSPORTS.WebSocket(adaAtB);
    const events = follow(client, 'answer-events', { answerId });
    call.release();
    const { answer } = await endOf(events);
    await client.dispose();
    const signedIn = await postAccount(b, 'sign-in/email', { email: ada.email, password: PASSWORD });
    const token = signedIn.headers.get('set-auth-token') ?? '';
    await postAccount(b, 'sign-out', {}, { authorization: `Bearer ${token}` });

    const heard = [spy?.commands() ?? '', spy?.published() ?? ''];
    const [session = '', signature = ''] = decodeURIComponent(ada.token).split('.');
    const secrets = [
      ...[CANARY, REFUSED_KEY, WRONG_PASSWORD, PASSWORD, ada.email, ada.token, session, signature, token],
      ...[token.split('.')[0] ?? '', SECRETS.LATCHKEY_ROOT_KEY, SECRETS.LATCHKEY_AUTH_SECRET],
    ];
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(8);
      expect(formsFound(heard, secret)).toEqual([]);
    }
    // The search would find them: what is published contains the text of answers.
    expect(formsFound(heard, answer.text.slice(0, 12))).toContain('JSON in JSON');
    expect(formsFound(heard, session)).toEqual([]);

    const redisClient = createClient({ url: redis?.url ?? '', RESP: 2 });
    await redisClient.connect();
    const keys = await redisClient.keys('*');
    const kinds = await Promise.all(
      keys.map(async (key) => [await redisClient.type(key), await redisClient.pTTL(key)] as const),
    );
    redisClient.destroy();
    expect(keys.length).toBeGreaterThan(0);
    expect(new Set(kinds.map(([kind]) => kind))).toEqual(new Set(['zset']));
    expect(kinds.filter(([, leftMs]) => leftMs <= 0)).toEqual([]);
  });
});

describe.runIf(canRun)('servers that may not run beside each other', { timeout: 60_000 }, () => {
  const SHARED = { REDIS_URL: NOTHING_ANSWERS };
  const start = (env: Record<string, string>) => startCommand(['serve'], { ...SECRETS, PORT: '0', ...env });

  test.each([
    ['one without REDIS_URL', {}, { 'with REDIS_URL': [SHARED, /runs without REDIS_URL/] }],
    [
      'one with REDIS_URL',
      SHARED,
      {
        'without REDIS_URL': [{}, /set REDIS_URL on all of them/],
        'with another LATCHKEY_AUTH_SECRET': [
          { ...SHARED, LATCHKEY_AUTH_SECRET: 'Qm4vC7xZ1bN9aS3dF6gH2jK8lP5oI0uYtReWqAzXcVk=' },
          /runs with another LATCHKEY_AUTH_SECRET/,
        ],
        'with another root key': [
          { ...SHARED, LATCHKEY_ROOT_KEY: '7Yk2mP9wQ4rT1vX8zB5nC3dF6gH0jL2sA7eU9iO4qW0=' },
          /runs with the root keys .* Give all servers both/,
        ],
      },
    ],
  ] satisfies [string, object, Record<string, [object, RegExp]>][])(
    'beside %s those that do not fit it are refused with its name',
    async (_title, settings, others) => {
      const DATABASE_URL = await createMigratedDatabase(serverUrl);
      const running = start({ DATABASE_URL, ...settings });
      await running.line(/Latchkey is ready/);
      await Promise.all(
        Object.entries<[object, RegExp]>(others).map(async ([title, [otherSettings, sentence]]) => {
          const { exitCode, error } = await start({ DATABASE_URL, ...otherSettings }).ended;
          expect(error, title).toMatch(sentence);
          expect(error, title).toContain(`process ${running.process.pid},`);
          expect(exitCode, title).toBe(78);
        }),
      );
      expect(running.process.exitCode).toBeNull();
    },
  );
});

async function endOf(events: AsyncGenerator<Event>): Promise<Event> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error('the subscription ended without the end of the answer');
    if (isEnd(value)) return value;
  }
}

async function readAnswer(person: Person, threadId: string, answerId: string) {
  const found = (await readThread(person, threadId)).find(({ id }) => id === answerId);
  if (found === undefined) throw new Error('the answer is not in its thread');
  return found;
}

const CANARY = `sk-canary-${crypto.randomUUID()}`;
const REFUSED_KEY = `sk-wrong-${crypto.randomUUID()}`;
const WRONG_PASSWORD = `wrong-${crypto.randomUUID()}`;
