import { randomBytes } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rotateRootCommand, rotateTenantCommand } from '../src/command/keys.ts';
import type { Database, OpenDatabase } from '../src/db/database.ts';
import { newId } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { servers } from '../src/db/tables/server.ts';
import { users } from '../src/db/tables/user.ts';
import { workspaces } from '../src/db/tables/workspace.ts';
import { ServerLease } from '../src/fleet/lease.ts';
import { findRotationObstacles } from '../src/fleet/running-servers.ts';
import { FLEET_TIMES } from '../src/fleet/times.ts';
import { rowsByRootId } from '../src/keys/rotate.ts';
import { RootKey, sealRecord } from '../src/vault/seal.ts';
import { freshDatabase } from './kit/database.ts';

const oldRoot = new RootKey(randomBytes(32));
const newRoot = new RootKey(randomBytes(32));
const NAME = expect.stringMatching(/^Nothing was changed: latchkey on \S+, process \d+, is running with /);

let database: OpenDatabase;
let db: Database;
let workspaceId: string;

beforeAll(async () => {
  database = await freshDatabase();
  db = database.db;
  workspaceId = await addWorkspace();
});

afterAll(() => database.close());

test('no key is sealed with a root that a running server does not hold', async () => {
  await using _server = await startServer([oldRoot]);
  const rootKeys = [newRoot, oldRoot] as const;
  const rowsBefore = await rowsByRootId(db);
  for (const command of [
    (printLine: PrintLine) => rotateRootCommand({ db, rootKeys, printLine }),
    (printLine: PrintLine) => rotateTenantCommand({ db, rootKeys, printLine }, workspaceId),
  ]) {
    const { exitCode, said } = await run(command);
    expect({ exitCode, said }).toEqual({ exitCode: 1, said: [NAME] });
    expect(said[0]).toContain(
      `is running with ${oldRoot.id} and could not open what is sealed with ${newRoot.id}. Give it ${newRoot.id} as well`,
    );
  }
  expect(await rowsByRootId(db)).toEqual(rowsBefore);
});

test('the old root key is not given up while a running server seals with it', async () => {
  const rootKeys = [newRoot, oldRoot] as const;
  const server = await startServer([oldRoot, newRoot]);
  const early = await run((printLine) => rotateRootCommand({ db, rootKeys, printLine }));
  expect(early.exitCode).toBe(1);
  expect(early.said.slice(-2)).toEqual([
    expect.stringMatching(
      `^Do not take out ${oldRoot.id} yet: latchkey on .* is running and seals with it\\.$`,
    ),
    `Restart it with ${newRoot.id} as its first root, then run this again.`,
  ]);
  expect(early.said.join()).not.toContain('can be taken out');

  await server[Symbol.asyncDispose]();
  await using _restarted = await startServer([newRoot, oldRoot]);
  const late = await run((printLine) => rotateRootCommand({ db, rootKeys, printLine }));
  expect(late).toMatchObject({ exitCode: 0 });
  expect(late.said.at(-1)).toContain('The old root key can be taken out');
});

test('the record of a server that crashed counts for half a minute, and is swept later', async () => {
  const seenAgo = async (id: string, ago: string) =>
    await db.insert(servers).values({
      id,
      name: id,
      rootIds: [oldRoot.id],
      authCheck: '',
      leaseUntil: sql`now() + interval '15 seconds' - ${ago}::interval`,
    });
  await seenAgo('run_crashed_just_now', '25 seconds');
  await seenAgo('run_crashed', '31 seconds');
  await seenAgo('run_of_last_week', '7 days');
  expect(await findRotationObstacles(db, newRoot.id)).toEqual([
    expect.stringContaining('run_crashed_just_now'),
  ]);
  await using _server = await startServer([newRoot]);
  expect((await db.select({ id: servers.id }).from(servers)).map(({ id }) => id)).not.toContain(
    'run_of_last_week',
  );
});

type PrintLine = (sentence: string) => void;

async function run(
  command: (printLine: PrintLine) => Promise<number>,
): Promise<{ exitCode: number; said: string[] }> {
  const said: string[] = [];
  return { exitCode: await command((sentence) => said.push(sentence)), said };
}

/** A workspace with a key that the old root has sealed. */
async function addWorkspace(): Promise<string> {
  const [user] = await db.insert(users).values({ name: 'Ada', email: 'ada@example.org' }).returning();
  const [workspace] = await db
    .insert(workspaces)
    .values({ kind: 'SHARED', name: 'one', ownerUserId: user?.id ?? '' })
    .returning();
  const tenantId = workspace?.id ?? '';
  const key = { provider: 'OPENAI', baseUrl: 'https://api.openai.com/v1', generation: 1, version: 1 };
  const id = newId('key');
  const record = sealRecord(oldRoot, { ...key, tenantId, apiKeyId: id }, 'sk-sim-0123456789');
  const row = { id, workspaceId: tenantId, label: 'a key', health: 'ACTIVE' as const, position: 1 };
  await db.insert(apiKeys).values({ ...row, ...key, ...record });
  return tenantId;
}

/** What a server records of itself while it runs. */
async function startServer(rootKeys: readonly RootKey[]): Promise<AsyncDisposable> {
  const facts = { rootIds: rootKeys.map(({ id }) => id), authSecret: 'secret' };
  const lease = await ServerLease.begin(db, facts, FLEET_TIMES);
  return { [Symbol.asyncDispose]: () => lease.end() };
}
