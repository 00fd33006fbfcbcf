import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { OpenDatabase } from '../src/db/database.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { recheckDueKeys, startRechecks } from '../src/keys/recheck.ts';
import type { ProviderName } from '../src/providers/provider.ts';
import { GOOD_SECRET, holdChecks, liftCheckLimits, turn } from './kit/altered-provider.ts';
import { addKey, type KeyResult, keysOf, modelsOf, untilStatus } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { captureLog } from './kit/log.ts';
import { newTeam } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { answerOf } from './kit/place.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** The server checks stored keys by itself, each when it is due, a few at a time, and no key twice at once. */

let database: OpenDatabase;
let server: TestServer;
let ada: Person;

beforeAll(async () => {
  database = await freshDatabase();
  const kept = { ...database, close: async () => {} };
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN }, { database: kept });
  liftCheckLimits(server);
});
afterAll(async () => {
  await server.close();
  await database.close();
});
beforeEach(async () => {
  // The keys of other tests are never due in this one.
  await database.db.update(apiKeys).set({ recheckAt: null });
  ada = await server.signUp();
});
afterEach(() => vi.restoreAllMocks());

/** Checks what is due, as the server does when it looks. */
async function look(stopping = new AbortController().signal): Promise<number | null> {
  return await recheckDueKeys({ ...server.app, stopping });
}

async function makeDue(id: string): Promise<void> {
  await database.db
    .update(apiKeys)
    .set({ recheckAt: new Date(0) })
    .where(eq(apiKeys.id, id));
}

/** In how many minutes a key is due. */
async function dueInMinutes(id: string): Promise<number> {
  const [row] = await database.db.select({ at: apiKeys.recheckAt }).from(apiKeys).where(eq(apiKeys.id, id));
  return ((row?.at?.getTime() ?? Number.NaN) - Date.now()) / 60_000;
}

async function add(provider: ProviderName = 'OPENAI', secret = GOOD_SECRET): Promise<string> {
  return (await ada.addKey(provider, secret)).apiKey.id;
}

/** How many provider calls were made while this was done. */
async function callsWhile(act: () => Promise<unknown>): Promise<number> {
  const before = server.simulator.requests.length;
  await act();
  return server.simulator.requests.length - before;
}

const HOUR = 60;
const DAY = 24 * HOUR;

describe('a key is due', () => {
  test('a day after it was last found working, give or take, and not before', async () => {
    const id = await add();
    for (const _time of [1, 2, 3]) {
      const minutes = await dueInMinutes(id);
      expect(minutes).toBeGreaterThan(0.89 * DAY);
      expect(minutes).toBeLessThan(1.1 * DAY);
      const callsBefore = await callsWhile(async () => {
        expect(await look()).toBeGreaterThan(0.89 * DAY * 60_000);
      });
      expect(callsBefore).toBe(0);
      await makeDue(id);
      expect(await callsWhile(look)).toBe(1);
    }
  });

  test('a day after an answer that it paid for: use is the best check', async () => {
    const { apiKey, models } = await ada.addKey('OPENAI', GOOD_SECRET);
    await makeDue(apiKey.id);
    await answerOf(ada, models[0] ?? { id: '' });
    await eventually('the answer postponed it', async () => (await dueInMinutes(apiKey.id)) > 0.89 * DAY);
    expect(await callsWhile(look)).toBe(0);
  });

  test('a key is due after 1, 5, 15 and 60 minutes while its provider is away, then hourly, and daily once it is back', async () => {
    const id = await add('OPENAI', 'sk-sim-good-down-0123456789');
    const waits = [await dueInMinutes(id)];
    for (const _time of [1, 2, 3, 4]) {
      await makeDue(id);
      await look();
      waits.push(await dueInMinutes(id));
    }
    const least = [1, 5, 15, 60, 60];
    expect(
      waits.filter((wait, at) => wait < 0.98 * (least[at] ?? 0) || wait > 1.2 * (least[at] ?? 0)),
    ).toEqual([]);
    expect(await keysOf(ada)).toMatchObject([{ status: 'UNVERIFIED' }]);
    const { OPENAI } = server.app.providers;
    const { checkKey } = OPENAI;
    vi.spyOn(OPENAI, 'checkKey').mockImplementation((call) => checkKey({ ...call, secret: GOOD_SECRET }));
    await makeDue(id);
    await look();
    expect(await dueInMinutes(id)).toBeGreaterThan(0.89 * DAY);
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE', statusMessage: null }]);
    expect((await modelsOf(ada)).every(({ isAvailable }) => isAvailable)).toBe(true);
  });

  test('a key without credit is checked after an hour if a check can find credit', async () => {
    const id = await add('NOVITA', 'sk-sim-quota-0123456789');
    expect(await dueInMinutes(id)).toBeGreaterThan(0.98 * HOUR);
    const { NOVITA } = server.app.providers;
    const { checkKey } = NOVITA;
    vi.spyOn(NOVITA, 'checkKey').mockImplementation((call) => checkKey({ ...call, secret: GOOD_SECRET }));
    await makeDue(id);
    await look();
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
  });

  test('a key that is enabled again, or whose expiry moved, is checked at once', async () => {
    const id = await add();
    for (const input of [{ isEnabled: false }, { isEnabled: true }, { expiresAt: '2100-01-01T00:00:00Z' }]) {
      await ada.run('update-api-key', { input: { id, ...input } });
      expect(await dueInMinutes(id)).toBeLessThan(2);
    }
  });
});

describe('the result of a recheck', () => {
  test.each([
    ['wrong', 'INVALID'],
    ['limited', 'RATE_LIMITED'],
  ])('the result of a recheck becomes the status until the next one: %s is %s', async (fault, status) => {
    const id = await add('MISTRAL');
    turn(server, 'MISTRAL', fault);
    await makeDue(id);
    await look();
    expect(await keysOf(ada)).toMatchObject([{ status }]);
    vi.restoreAllMocks();
    await makeDue(id);
    await look();
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE', statusMessage: null }]);
  });

  test.each(['down', 'nolist'])(
    'is nothing while the provider has a bad hour (%s): status and models stay, and it looks again soon',
    async (fault) => {
      const id = await add('XAI');
      const [keys, models] = [await keysOf(ada), await modelsOf(ada)];
      turn(server, 'XAI', fault);
      await makeDue(id);
      await look();
      expect(await dueInMinutes(id)).toBeLessThan(HOUR);
      expect([await keysOf(ada), await modelsOf(ada)]).toEqual([keys, models]);
    },
  );

  test('a recheck does not report credit where a check cannot find it', async () => {
    const { apiKey, models } = await ada.addKey('OPENAI', 'sk-sim-quota-0123456789');
    await answerOf(ada, models[0] ?? { id: '' });
    await untilStatus(ada, apiKey.id, 'EXHAUSTED');
    await makeDue(apiKey.id);
    expect(await callsWhile(look)).toBe(1);
    expect(await keysOf(ada)).toMatchObject([{ status: 'EXHAUSTED' }]);
    // A person who requests a check has a reason to: they added credit.
    await ada.run('check-api-key', { input: { id: apiKey.id } });
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
  });

  test.each([
    ['replaced', 'replace-api-key-secret', { secret: 'sk-sim-another-0123456789' }],
    ['removed', 'remove-api-key', {}],
  ])('the result of a recheck is ignored once the key was %s meanwhile', async (_how, operation, more) => {
    const id = await add();
    const held = holdChecks(server, 'OPENAI');
    await makeDue(id);
    const looking = look();
    const check = await eventually('the check', () => held[0]);
    vi.restoreAllMocks();
    await ada.run(operation, { input: { id, ...more } });
    const [keys, models] = [await keysOf(ada), await modelsOf(ada)];
    check.resolve([]);
    await looking;
    expect([await keysOf(ada), await modelsOf(ada)]).toEqual([keys, models]);
  });
});

describe('the server leaves alone', () => {
  test.each<[string, (id: string) => Promise<unknown>]>([
    ['a key that is switched off', (id) => ada.run('update-api-key', { input: { id, isEnabled: false } })],
    [
      'a key past its own date',
      (id) => ada.run('update-api-key', { input: { id, expiresAt: '2020-01-01T00:00:00Z' } }),
    ],
    ['a key without its plan', () => setPlan(server, { userId: ada.id }, 'FREE')],
    [
      'a key whose secret is lost',
      (id) => database.db.update(apiKeys).set({ needsReentry: true }).where(eq(apiKeys.id, id)),
    ],
  ])('%s', async (_what, leave) => {
    const id = await add();
    await leave(id);
    await makeDue(id);
    expect(await callsWhile(async () => expect(await look()).toBeNull())).toBe(0);
  });

  test('a team’s key without the Business plan, and not a workspace’s', async () => {
    const teamId = await newTeam(ada);
    const input = { teamId, provider: 'OPENAI', secret: GOOD_SECRET };
    const { apiKey } = await ada.run<KeyResult>('add-api-key', { input });
    const own = await add();
    await setPlan(server, { teamId }, 'PREMIUM');
    await setPlan(server, { userId: ada.id }, 'PREMIUM');
    for (const id of [apiKey.id, own]) await makeDue(id);
    expect(await callsWhile(look)).toBe(1);
    expect(await dueInMinutes(own)).toBeGreaterThan(0);
    await setPlan(server, { teamId }, 'BUSINESS');
    expect(await callsWhile(look)).toBe(1);
    expect(await dueInMinutes(apiKey.id)).toBeGreaterThan(0);
  });
});

describe('checks of one key', () => {
  test('checks that are requested during another one of the key share it, in either order', async () => {
    const id = await add();
    const check = () => ada.run<KeyResult>('check-api-key', { input: { id } });
    for (const serverIsFirst of [true, false]) {
      await makeDue(id);
      const held = holdChecks(server, 'OPENAI');
      const begun: Promise<unknown>[] = [serverIsFirst ? look() : check()];
      const first = await eventually('the first check', () => held[0]);
      const joined = vi.spyOn(server.app.checks, 'run');
      begun.push(serverIsFirst ? check() : look(), check());
      await eventually('the others joined', () => joined.mock.results.length === 2);
      first.resolve([]);
      await Promise.all(begun);
      expect(held).toHaveLength(1);
      vi.restoreAllMocks();
    }
  });

  test('checks of one key are eight at a time over all keys when the server is who asks, so that a silent provider holds up few', async () => {
    const ids: string[] = [];
    for (let number = 1; number <= 9; number++) ids.push(await add());
    for (const id of ids) await makeDue(id);
    const held = holdChecks(server, 'OPENAI');
    const looking = look();
    await eventually('eight checks', () => held.length === 8);
    for (const check of held) check.resolve([]);
    await eventually('the last check', () => held.length === 9);
    held[8]?.resolve([]);
    await looking;
    expect(held).toHaveLength(9);
  });

  test('an unexpected failure of one check does not prevent the others', async () => {
    const lines = captureLog();
    const [poisoned, other] = [await add('OPENAI'), await add('MISTRAL')];
    await database.db
      .update(apiKeys)
      .set({ recheckAt: new Date(0) })
      .where(eq(apiKeys.id, poisoned));
    await database.db
      .update(apiKeys)
      .set({ recheckAt: new Date(1) })
      .where(eq(apiKeys.id, other));
    vi.spyOn(server.app.providers.OPENAI, 'checkKey').mockRejectedValue(new TypeError(GOOD_SECRET));
    expect(await callsWhile(look)).toBe(1);
    expect(Math.round(await dueInMinutes(poisoned))).toBe(HOUR);
    expect(lines.join()).toContain('"failure":"TypeError"');
    expect(lines.join()).not.toContain(GOOD_SECRET);
  });
});

describe('a running server', () => {
  test('a running server checks what is due without being asked', async () => {
    const id = await add('OPENAI', 'sk-sim-good-down-0123456789');
    const { OPENAI } = server.app.providers;
    const { checkKey } = OPENAI;
    vi.spyOn(OPENAI, 'checkKey').mockImplementation((call) => checkKey({ ...call, secret: GOOD_SECRET }));
    await makeDue(id);
    const stop = startRechecks(server.app, 5);
    await untilStatus(ada, id, 'ACTIVE');
    await stop();
  });

  test('a running server reads due keys with one statement while none is due, and sleeps until one is', async () => {
    await add();
    const select = vi.spyOn(database.db, 'select');
    expect(await look()).toBeGreaterThan(0);
    expect(select).toHaveBeenCalledTimes(1);
  });

  test('a running server ends a check that is under way when it stops, and learns nothing from that', async () => {
    const stopped = await startTestServer(
      {},
      { database: { ...database, close: async () => {} }, simulator: server.simulator, recheckEveryMs: 5 },
    );
    const eve = await stopped.signUp('Eve');
    const { apiKey } = await eve.addKey('OPENAI', GOOD_SECRET);
    turn(stopped, 'OPENAI', 'hang');
    // So that nothing but the stop can end it.
    const { timeout } = AbortSignal;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) =>
      ms === 15_000 ? new AbortController().signal : timeout(ms),
    );
    await makeDue(apiKey.id);
    const call = await server.simulator.waitForRequest(
      ({ headers }) => headers.authorization?.includes('sk-sim-hang') === true,
    );
    await stopped.close();
    expect(await call.closed).toBe('left');
    const [key] = await database.db.select().from(apiKeys).where(eq(apiKeys.id, apiKey.id));
    expect(key).toMatchObject({ health: 'ACTIVE', healthReason: null });
  });

  test('a running server continues its rechecks after the database was away', async () => {
    const lines = captureLog();
    const id = await add();
    await makeDue(id);
    const held = holdChecks(server, 'OPENAI');
    const select = vi.spyOn(database.db, 'select').mockImplementationOnce(() => {
      throw new Error('away');
    });
    const stop = startRechecks(server.app, 5);
    (await eventually('the check', () => held[0])).resolve([]);
    await stop();
    expect(select).toHaveBeenCalled();
    expect(lines.join()).toContain('no keys could be checked');
  });
});

test('a key of one’s own server is checked there and nowhere else', async () => {
  const baseUrl = server.simulator.baseUrls.CUSTOM;
  const { apiKey } = await addKey(ada, { provider: 'CUSTOM', secret: GOOD_SECRET, baseUrl });
  await makeDue(apiKey.id);
  const before = server.simulator.requests.length;
  await look();
  const calls = server.simulator.requests.slice(before);
  expect(calls.map(({ provider }) => provider)).toEqual(['CUSTOM']);
});
