import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { OpenDatabase } from '../src/db/database.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { recheckDueKeys, startRechecks } from '../src/keys/recheck.ts';
import { GOOD_SECRET, liftCheckLimits, turn } from './kit/altered-provider.ts';
import { type KeyResult, keysOf, modelsOf } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import type { Person } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/**
 * Providers that take a request and never reply: they hold up no reader of a list, and the checks of other keys only until one of
 * them is given up.
 */

let database: OpenDatabase;
let server: TestServer;
let ada: Person;
/** Lets the deadlines of all checks pass that have begun so far, one by one. */
let deadlines: AbortController[];

beforeAll(async () => {
  database = await freshDatabase();
  server = await startTestServer({}, { database: { ...database, close: async () => {} } });
  liftCheckLimits(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});
beforeEach(async () => {
  await database.db.update(apiKeys).set({ recheckAt: null });
  ada = await server.signUp();
  deadlines = [];
});
afterEach(() => vi.restoreAllMocks());

/** From now on the deadlines of checks pass when the test says so. */
function holdDeadlines(): void {
  const { timeout } = AbortSignal;
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    if (ms !== CHECK_DEADLINE_MS) return timeout(ms);
    const deadline = new AbortController();
    deadlines.push(deadline);
    return deadline.signal;
  });
}

const CHECK_DEADLINE_MS = 15_000;

/** Makes these keys due, the first one first. */
async function makeDue(ids: readonly string[]): Promise<void> {
  for (const [index, id] of ids.entries())
    await database.db
      .update(apiKeys)
      .set({ recheckAt: new Date(index) })
      .where(eq(apiKeys.id, id));
}

/** How many calls of a provider are under way. */
const callsTo = (provider: string) =>
  server.simulator.requests.filter((call) => call.provider === provider && call.ending === null).length;

/** How often a provider was asked so far. */
const timesAsked = (provider: string) =>
  server.simulator.requests.filter((call) => call.provider === provider).length;

const check = (id: string) => ada.run<KeyResult>('check-api-key', { input: { id } });

test('while eight providers hang, lists are read at once, a check by a person joins the one that is running, and a ninth key waits until one is given up', async () => {
  const hanging: string[] = [];
  for (let count = 0; count < 8; count++) hanging.push((await ada.addKey('OPENAI', GOOD_SECRET)).apiKey.id);
  const ninth = (await ada.addKey('MISTRAL', GOOD_SECRET)).apiKey.id;
  const [keys, models] = [await keysOf(ada), await modelsOf(ada)];
  const askedBefore = timesAsked('MISTRAL');
  turn(server, 'OPENAI', 'hang');
  holdDeadlines();
  await makeDue([...hanging, ninth]);
  const looking = recheckDueKeys({ ...server.app, stopping: new AbortController().signal });
  await eventually('eight calls', () => callsTo('OPENAI') === 8);

  const times: number[] = [];
  for (let count = 0; count < 20; count++) {
    const beganAtMs = performance.now();
    expect(await modelsOf(ada)).toEqual(models);
    times.push(performance.now() - beganAtMs);
  }
  times.sort((left, right) => left - right);
  say(`models while 8 lists hang: ${times[10]?.toFixed(0)} ms, at most ${times.at(-1)?.toFixed(0)} ms`);
  expect(times.at(-1)).toBeLessThan(2_000);

  // A key that is being checked is not asked for a second time.
  const joined = vi.spyOn(server.app.checks, 'run');
  const byPerson = check(hanging[7] ?? '');
  await eventually('the person joined', () => joined.mock.results.length === 1);
  expect([callsTo('OPENAI'), timesAsked('MISTRAL')]).toEqual([8, askedBefore]);
  // A person need not wait for others.
  const other = await ada.addKey('XAI');
  expect((await check(other.apiKey.id)).__typename).toBe('CheckApiKeyPayload');

  const beganAtMs = performance.now();
  deadlines[0]?.abort(new DOMException('', 'TimeoutError'));
  await eventually('the ninth key', () => timesAsked('MISTRAL') > askedBefore);
  say(
    `a ninth key: asked ${(performance.now() - beganAtMs).toFixed(0)} ms after the first of 8 was given up`,
  );
  expect(callsTo('OPENAI')).toBe(7);

  for (const deadline of deadlines) deadline.abort(new DOMException('', 'TimeoutError'));
  expect(await byPerson).toMatchObject({ __typename: 'ProviderUnavailableError', code: 'TIMEOUT' });
  await looking;
  await ada.run('remove-api-key', { input: { id: other.apiKey.id } });
  expect((await modelsOf(ada)).slice(0, models.length)).toEqual(models);
  expect((await keysOf(ada)).map(({ status }) => status)).toEqual(keys.map(({ status }) => status));
});

test('a server that stops waits for no check, also for one that a person began', async () => {
  const { apiKey } = await ada.addKey('OPENAI', GOOD_SECRET);
  turn(server, 'OPENAI', 'hang');
  holdDeadlines();
  const byPerson = check(apiKey.id);
  await eventually('the check', () => callsTo('OPENAI') === 1);
  const joined = vi.spyOn(server.app.checks, 'run');
  const stop = startRechecks(server.app, 5);
  await makeDue([apiKey.id]);
  await eventually('the server joined', () => joined.mock.results.length === 1);
  const beganAtMs = performance.now();
  await stop();
  say(`rechecks stopped after ${(performance.now() - beganAtMs).toFixed(0)} ms`);
  expect(performance.now() - beganAtMs).toBeLessThan(2_000);
  // The person's check goes on.
  expect(callsTo('OPENAI')).toBe(1);
  for (const deadline of deadlines) deadline.abort(new DOMException('', 'TimeoutError'));
  expect(await byPerson).toMatchObject({ code: 'TIMEOUT' });
});
