import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { GOOD_SECRET, liftCheckLimits } from './kit/altered-provider.ts';
import { addKey, keysOf, untilStatus } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import type { Person } from './kit/person.ts';
import { answerOf } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A reply that a proxy, a challenge page or an overloaded gateway gives too does not condemn a key that has worked. */

type Reply = [status: number, body: string, type?: string];
const GOOD: Reply = [200, JSON.stringify({ object: 'list', data: [{ id: 'llama3' }] })];
const SAYS = (message: string): string => JSON.stringify({ error: { message, code: 401 } });
const CHALLENGE = '<!DOCTYPE html><title>Just a moment...</title>';

let place: Server;
let baseUrl: string;
let server: TestServer;
let ada: Person;
/** What the server of the key answers, to everything. */
let reply: Reply;

beforeAll(async () => {
  place = createServer((request, response) => {
    const [status, body, type = 'application/json'] = reply;
    request.resume().once('end', () => response.writeHead(status, { 'content-type': type }).end(body));
  });
  await new Promise<void>((resolve) => place.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(place.address() as AddressInfo).port}`;
  baseUrl = `http://${host}/v1`;
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: host });
  liftCheckLimits(server);
});
afterAll(async () => {
  await server.close();
  place.closeAllConnections();
  await new Promise((resolve) => place.close(resolve));
});
beforeEach(async () => {
  reply = GOOD;
  ada = await server.signUp();
});

const add = () => addKey(ada, { provider: 'CUSTOM', secret: GOOD_SECRET, baseUrl });
const check = (id: string) => ada.run('check-api-key', { input: { id } });

async function rowOf(id: string) {
  const [row] = await server.app.db.select().from(apiKeys).where(eq(apiKeys.id, id));
  if (row === undefined) throw new Error('no such key');
  return row;
}

/** As if the first refusal had come two minutes ago. */
async function passTwoMinutes(id: string): Promise<void> {
  const refusedAt = new Date(Date.now() - 120_000);
  await server.app.db.update(apiKeys).set({ refusedAt }).where(eq(apiKeys.id, id));
}

const UNCLEAR: Reply[] = [
  [401, ''],
  [401, SAYS('No auth credentials found')],
  [401, '{"message":"Unauthorized"}'],
  [403, '{"message":"Forbidden"}'],
  [403, 'error code: 1020', 'text/plain'],
];

describe('a check of a key that has worked', () => {
  test.each(UNCLEAR)(
    'is not certain when it is answered %i %s: only the same some time later is',
    async (...unclear) => {
      const { apiKey } = await add();
      const before = await keysOf(ada);
      const announce = vi.spyOn(server.app.changes, 'announce');
      reply = unclear;
      expect(await check(apiKey.id)).toMatchObject({ __typename: 'ProviderUnavailableError' });
      expect(await check(apiKey.id)).toMatchObject({ __typename: 'ProviderUnavailableError' });
      expect(await keysOf(ada)).toEqual(before);
      expect(announce).not.toHaveBeenCalled();
      announce.mockRestore();
      const dueInMs = ((await rowOf(apiKey.id)).recheckAt?.getTime() ?? 0) - Date.now();
      expect(dueInMs).toBeGreaterThan(50_000);
      expect(dueInMs).toBeLessThan(120_000);

      await passTwoMinutes(apiKey.id);
      expect(await check(apiKey.id)).toMatchObject({
        __typename: 'ProviderRefusedError',
        storedApiKey: { status: 'INVALID' },
      });
      const againInMs = ((await rowOf(apiKey.id)).recheckAt?.getTime() ?? 0) - Date.now();
      expect(againInMs).toBeLessThan(2 * 3_600_000);

      reply = GOOD;
      expect(await check(apiKey.id)).toMatchObject({ apiKey: { status: 'ACTIVE' } });
    },
  );

  test('a check of a key that has worked begins to count again after one that was accepted', async () => {
    const { apiKey } = await add();
    for (const _time of [1, 2]) {
      reply = [401, ''];
      await check(apiKey.id);
      await passTwoMinutes(apiKey.id);
      reply = GOOD;
      await check(apiKey.id);
      expect((await rowOf(apiKey.id)).refusedAt).toBeNull();
    }
    reply = [401, ''];
    await check(apiKey.id);
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
  });

  test('a check that gets a web page changes nothing, however often', async () => {
    const { apiKey } = await add();
    for (const status of [403, 401, 403, 503]) {
      reply = [status, CHALLENGE, 'text/html'];
      await check(apiKey.id);
      expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
      expect((await rowOf(apiKey.id)).refusedAt).toBeNull();
    }
  });

  test('a check of a key that has worked is believed at once where the server says that the key is wrong', async () => {
    const { apiKey } = await add();
    reply = [401, SAYS('Incorrect API key provided.')];
    expect(await check(apiKey.id)).toMatchObject({ storedApiKey: { status: 'INVALID' } });
  });

  test('a check of a key that has worked finds it out of credit where a gateway’s limit for the key is used up', async () => {
    const { apiKey } = await add();
    reply = [403, SAYS('Key limit exceeded (total limit). Manage it at the gateway.')];
    expect(await check(apiKey.id)).toMatchObject({ apiKey: { status: 'EXHAUSTED' } });
  });
});

test('an answer that is refused without a word leaves its key to the next one, and the second of them is believed', async () => {
  const { apiKey, models } = await add();
  const [model] = models;
  if (model === undefined) throw new Error('no model');
  reply = [401, SAYS('No auth credentials found')];
  await answerOf(ada, model);
  await eventually('it was learned from', async () => (await rowOf(apiKey.id)).refusedAt !== null);
  expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE' }]);
  await passTwoMinutes(apiKey.id);
  await answerOf(ada, model);
  await untilStatus(ada, apiKey.id, 'INVALID');
});

describe('a new key', () => {
  test.each<Reply>([
    [403, CHALLENGE, 'text/html'],
    [503, CHALLENGE, 'text/html'],
    [401, CHALLENGE, 'text/html'],
    [403, '{"message":"Forbidden"}'],
  ])('a new key is not refused for a response that may come from a proxy: %i %s', async (...unclear) => {
    reply = unclear;
    const { apiKey } = await add();
    expect(apiKey).toMatchObject({ status: 'UNVERIFIED', statusMessage: expect.any(String) });
  });

  test('a new key is refused with a bare 401, since another one can be given there and then', async () => {
    reply = [401, ''];
    expect(await add()).toMatchObject({ __typename: 'ProviderRefusedError', code: 'INVALID_KEY' });
  });
});
