import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { listAuditEntries } from '../src/audit/entry.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { auditChains } from '../src/db/tables/audit.ts';
import { recheckDueKeys } from '../src/keys/recheck.ts';
import { bodyText, keysOf, modelsOf, untilStatus } from './kit/api-key.ts';
import { freshDatabase } from './kit/database.ts';
import { captureLog } from './kit/log.ts';
import { auditOf } from './kit/people.ts';
import { documentOf, type Person } from './kit/person.ts';
import { answerOf } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** Everything that is done to a key is recorded with it, in one transaction, and nothing that is only a use of it. */

let server: TestServer;
let ada: Person;

beforeAll(async () => {
  server = await startTestServer({}, { database: await freshDatabase() });
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
});
afterEach(() => vi.restoreAllMocks());

async function recorded(): Promise<string[]> {
  return await auditOf(server, ada.workspaceId);
}

/** Lets the server look at every key by itself, as it does when one is due. */
async function recheck(): Promise<void> {
  await server.app.db.update(apiKeys).set({ recheckAt: new Date(0) });
  const stopping = new AbortController().signal;
  await recheckDueKeys({ ...server.app, stopping });
}

describe('the audit log of a key', () => {
  test('the audit log of a key has every change from adding to removing it, each with its actor', async () => {
    const { apiKey } = await ada.addKey('OPENAI', 'sk-sim-good-0123456789', { label: 'Work' });
    const other = await ada.addKey('OPENAI');
    const { id } = apiKey;
    const update = (input: object) => ada.run('update-api-key', { input: { id, ...input } });
    await ada.run('check-api-key', { input: { id } });
    await ada.run('check-api-key', { input: { id } });
    await update({ label: 'Home', position: 2 });
    await update({ expiresAt: '2100-01-01T00:00:00Z' });
    await update({ isEnabled: false });
    await update({ isEnabled: true });
    // Nothing of this is a change.
    await update({ label: 'Home', position: 2, isEnabled: true, expiresAt: '2100-01-01T00:00:00.000Z' });
    await ada.run('replace-api-key-secret', { input: { id, secret: 'sk-sim-good-9876543210' } });
    await ada.run('remove-api-key', { input: { id } });
    expect(await recorded()).toEqual([
      'KEY_ADDED OPENAI Work',
      'KEY_ADDED OPENAI OpenAI',
      'KEY_CHECKED OPENAI Work ACTIVE',
      'KEY_CHECKED OPENAI Work ACTIVE',
      'KEY_CHANGED OPENAI Home LABEL',
      'KEY_CHANGED OPENAI Home POSITION',
      'KEY_CHANGED OPENAI Home EXPIRY',
      'KEY_DISABLED OPENAI Home',
      'KEY_ENABLED OPENAI Home',
      'KEY_REPLACED OPENAI Home',
      'KEY_REMOVED OPENAI Home',
    ]);
    const { rows } = await listAuditEntries(server.app, ada.workspaceId, { first: 100 });
    expect(new Set(rows.map(({ actorId }) => actorId))).toEqual(new Set([ada.id]));
    expect(new Set(rows.map(({ subjectId }) => subjectId))).toEqual(new Set([id, other.apiKey.id]));
  });

  test('the audit log of a key holds neither what was refused nor what a key was used for', async () => {
    await ada.addKey('OPENAI', 'sk-sim-wrong');
    const { apiKey, models } = await ada.addKey('OPENAI', 'sk-sim-quota');
    await ada.run('replace-api-key-secret', { input: { id: apiKey.id, secret: 'sk-sim-wrong' } });
    await ada.run('update-api-key', { input: { id: apiKey.id, label: ' ' } });
    await answerOf(ada, models[0] ?? { id: '' });
    await untilStatus(ada, apiKey.id, 'EXHAUSTED');
    expect(await recorded()).toEqual(['KEY_ADDED OPENAI OpenAI']);
  });

  test('checks by the server are in the audit log only if they changed the status', async () => {
    await ada.addKey('OPENAI', 'sk-sim-good-0123456789');
    await recheck();
    expect(await recorded()).toEqual(['KEY_ADDED OPENAI OpenAI']);
    const { OPENAI } = server.app.providers;
    const { checkKey } = OPENAI;
    vi.spyOn(OPENAI, 'checkKey').mockImplementation((call) =>
      checkKey({ ...call, secret: call.secret.replace('good', 'wrong') }),
    );
    await recheck();
    await recheck();
    const { rows } = await listAuditEntries(server.app, ada.workspaceId, { first: 1 });
    expect(rows).toMatchObject([
      { position: 2, action: 'KEY_CHECKED', actorId: null, details: { health: 'INVALID' } },
    ]);
  });

  test('a key that does not open is in the audit log once, however often it is tried', async () => {
    captureLog();
    const { apiKey, models } = await ada.addKey('OPENAI');
    await server.app.db
      .update(apiKeys)
      .set({ tag: new Uint8Array(32) })
      .where(eq(apiKeys.id, apiKey.id));
    for (const _time of [1, 2])
      expect(await answerOf(ada, models[0] ?? { id: '' })).toMatchObject({
        status: 'FAILED',
        error: { code: 'KEY_UNAVAILABLE' },
      });
    expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
      code: 'KEY_UNAVAILABLE',
    });
    await recheck();
    expect(await keysOf(ada)).toMatchObject([
      {
        status: 'UNVERIFIED',
        statusMessage:
          'The stored key could not be opened on this server. Enter it again, or ask the operator of this server.',
      },
    ]);
    expect(await recorded()).toEqual(['KEY_ADDED OPENAI OpenAI', 'KEY_NOT_OPENED OPENAI OpenAI tampered']);

    // Another secret is another matter.
    const input = { id: apiKey.id, secret: 'sk-sim-good-9876543210' };
    await ada.run('replace-api-key-secret', { input });
    expect(await keysOf(ada)).toMatchObject([{ status: 'ACTIVE', statusMessage: null }]);
    await server.app.db
      .update(apiKeys)
      .set({ tag: new Uint8Array(32) })
      .where(eq(apiKeys.id, apiKey.id));
    await ada.run('check-api-key', { input: { id: apiKey.id } });
    expect((await recorded()).slice(2)).toEqual([
      'KEY_REPLACED OPENAI OpenAI',
      'KEY_NOT_OPENED OPENAI OpenAI tampered',
    ]);
  });
});

test('what cannot be recorded is not done', async () => {
  captureLog();
  const { apiKey } = await ada.addKey('OPENAI', 'sk-sim-good-0123456789', { label: 'Work' });
  const [keys, models] = [await keysOf(ada), await modelsOf(ada)];
  await server.app.db
    .update(auditChains)
    .set({ tag: new Uint8Array(32) })
    .where(eq(auditChains.tenantId, ada.workspaceId));
  const { id } = apiKey;
  for (const [operation, input] of [
    ['add-api-key', { workspaceId: ada.workspaceId, provider: 'MISTRAL', secret: 'sk-sim-good' }],
    ['check-api-key', { id }],
    ['update-api-key', { id, label: 'Home', isEnabled: false }],
    ['replace-api-key-secret', { id, secret: 'sk-sim-good-9876543210' }],
    ['remove-api-key', { id }],
  ] as const)
    expect(await bodyText(ada, documentOf(operation), { input }), operation).toContain('INTERNAL');
  expect([await keysOf(ada), await modelsOf(ada)]).toEqual([keys, models]);
});
