import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import sodium from 'libsodium-wrappers';
import { expect, test, vi } from 'vitest';
import { usedBoxes } from '../src/db/tables/api-key.ts';
import { ProviderError } from '../src/providers/failure/failure.ts';
import { addKey, keysOf, seal, sealingKeyOf } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { type Person, personOf } from './kit/person.ts';
import { SERVERS, startTestServer } from './kit/server.ts';

const OPENAI = { provider: 'OPENAI', baseUrl: null, secret: 'sk-sim-good-0123456789' };

const SENTENCE =
  'This sealed box was used before, so its key was saved. To send the secret again, seal it again.';
const usedBefore = refusedFor('sealed', SENTENCE);

test('a sealed box is accepted once, also after its key was removed and by another mutation', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const sealed = await seal(ada, OPENAI);
  const first = await addKey(ada, { provider: 'OPENAI', sealed });
  expect(first.apiKey.status).toBe('ACTIVE');
  const asked = server.simulator.requests.length;

  expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject(usedBefore);
  const replace = { input: { id: first.apiKey.id, sealed } };
  expect(await ada.run('replace-api-key-secret', replace)).toMatchObject({ message: SENTENCE });
  await ada.run('remove-api-key', { input: { id: first.apiKey.id } });
  expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject(usedBefore);
  expect(await keysOf(ada)).toEqual([]);
  expect(server.simulator.requests).toHaveLength(asked);
});

test('a box that replaced a secret adds no key', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { apiKey } = await ada.addKey();
  const sealed = await seal(ada, OPENAI);
  expect(await ada.run('replace-api-key-secret', { input: { id: apiKey.id, sealed } })).toMatchObject({
    apiKey: { hint: '6789' },
  });
  expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject(usedBefore);
});

test.runIf(SERVERS === 1)('of many requests with one box at the same time, one adds a key', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const sealed = await seal(ada, OPENAI);
  // None goes on before all have passed the first look at the box.
  const { OPENAI: provider } = server.app.providers;
  const check = provider.checkKey;
  const everybodyIsHere = Promise.withResolvers<void>();
  let waiting = 0;
  vi.spyOn(provider, 'checkKey').mockImplementation(async (call) => {
    waiting += 1;
    if (waiting === AT_ONCE) everybodyIsHere.resolve();
    await everybodyIsHere.promise;
    return await check(call);
  });
  const results = await Promise.all(
    Array.from({ length: AT_ONCE }, () => addKey(ada, { provider: 'OPENAI', sealed })),
  );
  vi.restoreAllMocks();
  expect(results.filter(({ code }) => code === undefined)).toHaveLength(1);
  for (const refused of results.filter(({ code }) => code !== undefined))
    expect(refused).toMatchObject(usedBefore);
  expect(await keysOf(ada)).toHaveLength(1);
});

const AT_ONCE = 5;

test('a used box is refused by the next server on the same database', async () => {
  const database = await freshDatabase();
  const kept = { ...database, close: async () => {} };
  const settings = { LATCHKEY_AUTH_SECRET: randomBytes(32).toString('base64') };
  const before = await startTestServer(settings, { database: kept });
  const ada = await before.signUp();
  const sealed = await seal(ada, OPENAI);
  await addKey(ada, { provider: 'OPENAI', sealed });
  await before.close();

  await using after = await startTestServer(settings, { database });
  const again = await personOf(after.url, ada.email, ada.token);
  expect(await addKey(again, { provider: 'OPENAI', sealed })).toMatchObject(usedBefore);
});

test.runIf(SERVERS === 1)(
  'a box whose key its provider refused stays good for another try, until its time is past',
  async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const sealed = await seal(ada, OPENAI);
    const refusal = new ProviderError('INVALID_KEY', { status: 401 });
    vi.spyOn(server.app.providers.OPENAI, 'checkKey').mockRejectedValueOnce(refusal);
    expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject({ code: 'INVALID_KEY' });
    vi.restoreAllMocks();
    expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject({ apiKey: { status: 'ACTIVE' } });
  },
);

test('ids of boxes are forgotten once they could not be accepted anyway', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { db } = server.app;
  const tenantId = 'wsp_of_long_ago';
  const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);
  await db.insert(usedBoxes).values([
    { tenantId, boxId: 'long past', validUntil: hoursAgo(2) },
    { tenantId, boxId: 'just past', validUntil: hoursAgo(0.5) },
  ]);
  await addKey(ada, { provider: 'OPENAI', sealed: await seal(ada, OPENAI) });
  const left = await db.select().from(usedBoxes).where(eq(usedBoxes.tenantId, tenantId));
  expect(left.map(({ boxId }) => boxId)).toEqual(['just past']);
  await db.delete(usedBoxes).where(eq(usedBoxes.tenantId, tenantId));
});

test.each([
  [
    'sealed a day ago',
    { at: '2026-11-27T11:00:00Z' },
    'The box was sealed more than 24 hours ago. Seal the secret again.',
  ],
  [
    'sealed by a clock that is ahead',
    { at: '2026-11-28T13:00:00Z' },
    'The box was sealed by a clock that is more than 5 minutes ahead of this server’s. Set it right, then seal the secret again.',
  ],
  [
    'with headers',
    { headers: { 'X-Org': 'a' } },
    'OpenAI takes no headers with a key. Seal the secret with headers null.',
  ],
])('a box %s is refused with what to do', async (_title, over, sentence) => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-28T12:00:00Z') });
  try {
    const sealed = await sealByHand(ada, { ...version2, at: '2026-11-28T12:00:00Z', ...over });
    expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject(refusedFor('sealed', sentence));
    expect(server.simulator.requests).toEqual([]);
  } finally {
    vi.useRealTimers();
  }
});

test('version 1 is taken as often as it is sent, unless only version 2 is wanted', async () => {
  const version1 = { v: 1, provider: 'OPENAI', baseUrl: null, secret: OPENAI.secret };
  for (const setting of ['off', 'on']) {
    await using server = await startTestServer({ LATCHKEY_REQUIRE_SEALED_KEYS: setting });
    const ada = await server.signUp();
    const sealed = await sealByHand(ada, version1);
    for (const _time of ['first', 'second'])
      expect(await addKey(ada, { provider: 'OPENAI', sealed })).toMatchObject({
        apiKey: { status: 'ACTIVE' },
      });
  }
  await using server = await startTestServer({ LATCHKEY_REQUIRE_SEALED_KEYS: 'v2' });
  const ada = await server.signUp();
  expect(await addKey(ada, { provider: 'OPENAI', sealed: await sealByHand(ada, version1) })).toMatchObject(
    refusedFor(
      'sealed',
      'This server takes sealed keys of version 2 only. Fetch /seal.js of this server again and seal the secret with it.',
    ),
  );
  expect(await ada.addKey('OPENAI', 'sk-sim-good')).toMatchObject(
    refusedFor(
      'secret',
      'This server takes only sealed keys. Seal the secret with /seal.js and send sealed.',
    ),
  );
  expect(await addKey(ada, { provider: 'OPENAI', sealed: await seal(ada, OPENAI) })).toMatchObject({
    apiKey: { status: 'ACTIVE' },
  });
});

const version2 = {
  v: 2,
  id: 'AAECAwQFBgcICQoLDA0ODw',
  provider: 'OPENAI',
  baseUrl: null,
  secret: OPENAI.secret,
  headers: null as object | null,
};

/** Seals for a person's own workspace in the way of a client in another language: JSON, padded with spaces. */
async function sealByHand(person: Person, content: object): Promise<{ keyId: string; box: string }> {
  await sodium.ready;
  const sealingKey = await sealingKeyOf(person);
  const addressed = { ...content, owner: person.workspaceId };
  const unpadded = JSON.stringify('at' in content ? { ...addressed, pad: '' } : addressed);
  const spaces = ' '.repeat(256 - (Buffer.byteLength(unpadded) % 256));
  const box = sodium.crypto_box_seal(
    unpadded.replace('"pad":""', `"pad":"${spaces}"`),
    Buffer.from(sealingKey.publicKey, 'base64'),
  );
  return { keyId: sealingKey.id, box: Buffer.from(box).toString('base64') };
}

function refusedFor(path: string, message: string): object {
  return { __typename: 'InvalidInputError', fields: [{ path, message }] };
}
