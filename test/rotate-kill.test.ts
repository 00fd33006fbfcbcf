import { randomBytes } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { openDatabase } from '../src/db/database.ts';
import { newId } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { users } from '../src/db/tables/user.ts';
import { workspaces } from '../src/db/tables/workspace.ts';
import { verifyKeys } from '../src/keys/rotate.ts';
import { RootKey, sealRecord } from '../src/vault/seal.ts';
import { newDataFolder, runCommand, startCommand } from './kit/command.ts';
import { createMigratedDatabase } from './kit/database.ts';
import { say } from './kit/say.ts';

/** Each round kills one run of each command; the summary line says how many kills fell between the first and the last row. */
const ROUNDS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 1);
const ROWS = 2_000;

test('a rotation that is killed at any row leaves every key one that opens, and a rerun does the rest', {
  timeout: 60_000 + ROUNDS * 30_000,
}, async () => {
  const house = await prepareHouse();
  let kills = 0;
  let killsBetween = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await house.addRoot();
    for (const column of ['rootId', 'generation'] as const) {
      const words = column === 'rootId' ? ['rotate-root'] : ['rotate-owner', house.tenantId];
      const before = await house.state();
      const command = startCommand(['keys', ...words], house.env);
      await command.line(/^Sealing/);
      const timer = setTimeout(() => command.process.kill('SIGKILL'), Math.random() * MOST_MS_TO_KILL);
      const { exitCode } = await command.ended;
      clearTimeout(timer);
      const after = await house.state();
      if (exitCode === null) kills += 1;
      // Some keys were sealed again and some are still to be.
      const isBetween =
        after.sealings > before.sealings && new Set(after.rows.map((row) => row[column])).size > 1;
      if (exitCode === null && isBetween) killsBetween += 1;
      const verified = await runCommand(['keys', 'verify'], house.env);
      expect(verified.out).toContain(`Every key opens: ${ROWS.toLocaleString('en-US')} keys`);
    }
  }
  expect((await runCommand(['keys', 'rotate-root'], house.env)).exitCode).toBe(0);
  const verified = await runCommand(['keys', 'verify'], house.env);
  expect(verified.out).toContain(`Every key opens: ${ROWS.toLocaleString('en-US')} keys`);
  say(
    `rotation of ${ROWS} keys: killed ${kills} times, ${killsBetween} of them between the first row and the last; every key opens`,
  );
});

/** Longer than most runs need for their first rows and shorter than any needs for its last, on machines fast and slow. */
const MOST_MS_TO_KILL = 700;

/** A database with many keys of one workspace, and a growing list of root keys in a file. */
async function prepareHouse() {
  const folder = await newDataFolder();
  const serverUrl = inject('postgresUrl');
  const databaseUrl = serverUrl === undefined ? undefined : await createMigratedDatabase(serverUrl);
  const rootKeys = [randomBytes(32)];
  const file = join(folder, 'rootKeys');
  const open = () => openDatabase({ databaseUrl, dataDir: folder });
  async function writeRoots() {
    await writeFile(file, rootKeys.map((bytes) => bytes.toString('base64')).join(','));
    await chmod(file, 0o600);
  }
  await writeRoots();

  const tenantId = newId('wsp');
  const { db, close } = await open();
  const [user] = await db
    .insert(users)
    .values({ name: 'Ada', email: `${newId('usr')}@example.com` })
    .returning({ id: users.id });
  await db.insert(workspaces).values({ id: tenantId, kind: 'SHARED', name: 'Many', ownerUserId: user?.id });
  const root = new RootKey(rootKeys[0] ?? new Uint8Array());
  for (let from = 0; from < ROWS; from += ROWS_PER_INSERT)
    await db.insert(apiKeys).values(
      Array.from({ length: ROWS_PER_INSERT }, (_, index) => {
        const id = newId('key');
        const baseUrl = 'https://api.openai.com/v1';
        const context = { tenantId, apiKeyId: id, provider: 'OPENAI', baseUrl, generation: 1, version: 1 };
        const record = sealRecord(root, context, `sk-${randomBytes(24).toString('hex')}`);
        const place = { id, workspaceId: tenantId, provider: 'OPENAI', baseUrl, position: from + index + 1 };
        return { ...place, label: id, health: 'ACTIVE' as const, generation: 1, version: 1, ...record };
      }),
    );
  await close();
  return {
    tenantId,
    env: {
      LATCHKEY_DATA_DIR: folder,
      LATCHKEY_ROOT_KEY_FILE: file,
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    },
    /** Puts a new root key before those there are. */
    async addRoot() {
      rootKeys.unshift(randomBytes(32));
      await writeRoots();
    },
    /** What sealed the rows, and how often they were sealed in all; every one of them opens. */
    async state() {
      const opened = await open();
      try {
        const rows = await opened.db
          .select({ rootId: apiKeys.rootId, generation: apiKeys.generation, version: apiKeys.version })
          .from(apiKeys);
        expect(rows).toHaveLength(ROWS);
        const [first, ...others] = rootKeys.map((bytes) => new RootKey(bytes));
        if (first === undefined) throw new Error('there is no root key');
        expect((await verifyKeys({ db: opened.db, rootKeys: [first, ...others] })).failures).toEqual([]);
        return { rows, sealings: rows.reduce((sum, row) => sum + row.version, 0) };
      } finally {
        await opened.close();
      }
    },
  };
}

const ROWS_PER_INSERT = 500;
