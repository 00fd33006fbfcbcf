import { openAsBlob } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { eq, getTableName, is } from 'drizzle-orm';
import { PgTable } from 'drizzle-orm/pg-core';
import { pino } from 'pino';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { type Database, openEmbedded } from '../src/db/database.ts';
import * as keyTables from '../src/db/tables/api-key.ts';
import * as modelTables from '../src/db/tables/model.ts';
import * as threadTables from '../src/db/tables/thread.ts';
import * as userTables from '../src/db/tables/user.ts';
import * as workspaceTables from '../src/db/tables/workspace.ts';
import { log } from '../src/log.ts';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { addKey, bodyText, endOfAnswer } from './kit/api-key.ts';
import { documentOf } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const { apiKeys } = keyTables;

/**
 * Whoever reads a response, the log, a backup or the raw files of the database must not come away with a key that spends
 * somebody's money: the canary is searched for in everything that leaves the process, in every common encoding.
 */
const canary = `sk-sim-canary-${crypto.randomUUID()}+/end`;

afterEach(() => vi.restoreAllMocks());

test('a secret is in no response, log line, row or database file, whatever goes wrong with its key', async () => {
  const client = await PGlite.create({ loadDataDir: await openAsBlob(inject('templateFile')) });
  const database = await openEmbedded(client);
  const seen: string[] = [];
  const stream: { write(line: string): void } = Reflect.get(log, pino.symbols.streamSym);
  vi.spyOn(stream, 'write').mockImplementation((line) => seen.push(`log ${line}`));
  const original = globalThis.fetch;
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (...request) => {
    const response = await original(...request);
    seen.push(`response ${[...response.headers].join()} ${await response.clone().text()}`);
    return response;
  });

  const server = await startTestServer({}, { database: { ...database, close: async () => {} } });
  const ada = await server.signUp();
  const { apiKey, models } = await ada.addKey('OPENAI', canary);
  await ada
    .ask('Hello', models.slice(0, 1))
    .then((sent) => endOfAnswer(ada, sent.answers[0]?.id ?? '', seen));
  for (const provider of PROVIDER_NAMES) {
    const baseUrl = provider === 'CUSTOM' ? server.simulator.baseUrls.CUSTOM : null;
    const other = await server.signUp();
    await addKey(other, { provider, baseUrl, secret: `${canary}-echo` });
    await addKey(other, { provider, baseUrl, secret: `${canary}-down` });
    await addKey(other, { provider, baseUrl: 'https://10.0.0.1', secret: canary });
  }
  await ada.run('replace-api-key-secret', { input: { id: apiKey.id, secret: `${canary} ${canary}` } });
  await server.app.db
    .update(apiKeys)
    .set({ tag: new Uint8Array(32) })
    .where(eq(apiKeys.id, apiKey.id));
  expect(await ada.run('check-api-key', { input: { id: apiKey.id } })).toMatchObject({
    code: 'KEY_UNAVAILABLE',
  });
  vi.spyOn(server.app.providers.OPENAI, 'checkKey').mockRejectedValue(new Error(`no ${canary}`));
  expect(
    await bodyText(ada, documentOf('add-api-key'), {
      input: { workspaceId: ada.workspaceId, provider: 'OPENAI', secret: canary },
    }),
  ).toContain('INTERNAL');

  const rows = await dumpRows(database.db);
  const dump = Buffer.from(await (await client.dumpDataDir('none')).arrayBuffer());
  expect(seen.filter((text) => text.startsWith('log')).length).toBeGreaterThanOrEqual(2);
  expect(rows.length).toBeGreaterThan(20);
  expect(dump.length).toBeGreaterThan(1_000_000);
  expect([...seen, ...rows].filter((text) => reveals(Buffer.from(text), canary))).toEqual([]);
  expect(reveals(dump, canary)).toBe(false);

  // The search itself would find it, had it been kept anywhere in any of these ways.
  for (const form of formsOf(canary)) {
    await database.db.insert(userTables.users).values({ name: `x${form}y`, email: crypto.randomUUID() });
    expect((await dumpRows(database.db)).some((text) => reveals(Buffer.from(text), canary))).toBe(true);
    await database.db.delete(userTables.users).where(eq(userTables.users.name, `x${form}y`));
  }
  await database.db
    .update(apiKeys)
    .set({ ciphertext: Buffer.from(canary) })
    .where(eq(apiKeys.id, apiKey.id));
  expect((await dumpRows(database.db)).some((text) => reveals(Buffer.from(text), canary))).toBe(true);
  expect(reveals(Buffer.from(await (await client.dumpDataDir('none')).arrayBuffer()), canary)).toBe(true);
  await server.close();
  await client.close();
}, 60_000);

test('a secret in the wrong place of a request is refused without being repeated', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const variable = (input: unknown) => bodyText(ada, documentOf('add-api-key'), { input });
  const { workspaceId } = ada;
  const answers = await Promise.all([
    variable(canary),
    variable({ secret: canary }),
    variable({ workspaceId, provider: canary }),
    variable({ workspaceId, provider: 'OPENAI', apiKey: canary }),
    variable({ workspaceId, provider: 'OPENAI', secret: [canary] }),
    variable({ workspaceId, provider: 'OPENAI', secret: { value: canary } }),
    variable({ workspaceId, provider: 'OPENAI', expiresAt: canary }),
    bodyText(ada, `mutation { addApiKey(input: { secret: "${canary}" }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: "${canary}") { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: { provider: "${canary}" }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey(input: { apiKey: "${canary}" }) { __typename } }`),
    bodyText(ada, `mutation { addApiKey("${canary}") { __typename } }`),
    bodyText(ada, `mutation { addApiKey("""${canary}""") { __typename } }`),
    bodyText(ada, `{ workspace(id: "w") { threads(first: "${canary}") { nodes { id } } } }`),
    bodyText(ada, '{ node(id: "x") { id } }', canary as unknown as object),
  ]);
  const client = ada.socket();
  for (const query of [`{ workspace(id: ["${canary}"]) { id } }`, `{ workspace("${canary}") { id } }`]) {
    const thrown = await client
      .iterate({ query })
      .next()
      .catch((error: unknown) => error);
    answers.push(JSON.stringify(thrown));
  }
  await client.dispose();
  for (const answer of answers) {
    expect(answer).toContain('"BAD_INPUT"');
    expect(reveals(Buffer.from(answer), canary)).toBe(false);
  }
  expect(
    answers.slice(0, 7).map((answer) => (JSON.parse(answer) as { errors: [Error] }).errors[0].message),
  ).toEqual([
    'Variable "$input" has an invalid value: Expected value of type "AddApiKeyInput" to be an object, found: …',
    'Variable "$input" has an invalid value: Expected value of type "AddApiKeyInput" to include required field "provider", found: …',
    'Variable "$input" has an invalid value at "input.provider": The value does not exist in "ProviderName" enum.',
    'Variable "$input" has an invalid value: Expected value of type "AddApiKeyInput" not to include unknown field "apiKey", found: …',
    'Variable "$input" has an invalid value at "input.secret": String cannot represent a non string value: …',
    'Variable "$input" has an invalid value at "input.secret": String cannot represent a non string value: …',
    'Variable "$input" has an invalid value at "input.expiresAt": A DateTime is a string in ISO 8601 with a time zone, e.g. "2026-11-23T09:30:00Z".',
  ]);
});

/** Every row of every table as text, bytes as they are. */
async function dumpRows(db: Database): Promise<string[]> {
  const tables = [keyTables, modelTables, threadTables, userTables, workspaceTables]
    .flatMap((module) => Object.values(module))
    .filter((value) => is(value, PgTable));
  const rows: string[] = [];
  for (const table of tables)
    for (const row of await db.select().from(table as PgTable))
      rows.push(
        `${getTableName(table)} ${Object.values(row)
          .map((value) =>
            value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : JSON.stringify(value),
          )
          .join(' ')}`,
      );
  return rows;
}

function reveals(bytes: Buffer, secret: string): boolean {
  return formsOf(secret).some((form) => bytes.includes(form));
}

/** The ways in which a secret may be written down, base64 at each of the three places where it can begin. */
function formsOf(secret: string): string[] {
  const inBase64 = [0, 1, 2].flatMap((shift) => {
    const bytes = Buffer.from('\0'.repeat(shift) + secret);
    // Its first and last characters depend on the neighbours.
    return (['base64', 'base64url'] as const).map((encoding) => bytes.toString(encoding).slice(4, -4));
  });
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...inBase64,
  ];
}
