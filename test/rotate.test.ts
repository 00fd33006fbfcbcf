import { randomBytes } from 'node:crypto';
import { asc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import type postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openChainKey } from '../src/audit/chain.ts';
import { recordAudit } from '../src/audit/record-audit.ts';
import { verifyAudit } from '../src/audit/verify-audit.ts';
import { rotateRootCommand, rotateTenantCommand, verifyCommand } from '../src/command/keys.ts';
import type { Database, OpenDatabase } from '../src/db/database.ts';
import { newId } from '../src/db/id.ts';
import { tenantGeneration } from '../src/db/sealing-generation.ts';
import { apiKeys, sealingGenerations } from '../src/db/tables/api-key.ts';
import { attachments } from '../src/db/tables/attachment.ts';
import { auditChains, auditEntries } from '../src/db/tables/audit.ts';
import { teams } from '../src/db/tables/team.ts';
import { users } from '../src/db/tables/user.ts';
import { workspaces } from '../src/db/tables/workspace.ts';
import { newFileKey, openFileKey, type SealedFileKey, sealFileKey } from '../src/files/file-key.ts';
import { rotateRoot, rotateTenant, rowsByRootId, verifyKeys } from '../src/keys/rotate.ts';
import { openRecord, RootKey, sealRecord } from '../src/vault/seal.ts';
import { freshDatabase } from './kit/database.ts';
import { say } from './kit/say.ts';

const oldRoot = new RootKey(randomBytes(32));
const newRoot = new RootKey(randomBytes(32));

let database: OpenDatabase;
let db: Database;
let owners: [string, string, string];

beforeAll(async () => {
  database = await freshDatabase();
  db = database.db;
  const [user] = await db.insert(users).values({ name: 'Ada', email: 'ada@example.org' }).returning();
  const values = ['one', 'two', 'three'].map((name) => ({
    kind: 'SHARED' as const,
    name,
    ownerUserId: user?.id ?? '',
  }));
  const rows = await db.insert(workspaces).values(values).returning({ id: workspaces.id });
  owners = rows.map(({ id }) => id) as typeof owners;
});

beforeEach(async () => {
  await db.delete(apiKeys);
  await db.delete(sealingGenerations);
  await db.delete(auditEntries);
  await db.delete(auditChains);
  await db.delete(attachments);
});

afterEach(() => vi.restoreAllMocks());

afterAll(() => database.close());

describe('rotating the root', () => {
  test('rotating the root seals the keys of every owner with the first root and leaves those that already are', async () => {
    const before = await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[1], root: oldRoot },
      { owner: owners[1], root: newRoot },
    ]);
    expect(await rowsByRootId(db)).toEqual(
      new Map([
        [oldRoot.id, 2],
        [newRoot.id, 1],
      ]),
    );
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toEqual({
      resealed: 2,
      resealedLogs: 0,
      resealedFiles: 0,
      skipped: 0,
      failures: [],
    });
    expect(await rowsByRootId(db)).toEqual(new Map([[newRoot.id, 3]]));
    expect(await secrets([newRoot])).toEqual(before);
    expect((await storedKeys()).map(({ version }) => version)).toEqual([2, 2, 1]);
  });

  test('rotating the root reaches every key beyond one batch', async () => {
    const before = await addKeys(Array.from({ length: 230 }, () => ({ owner: owners[0], root: oldRoot })));
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toMatchObject({ resealed: 230 });
    expect(await secrets([newRoot])).toEqual(before);
  });

  test('rotating the root brings keys to the newest generation of their owner, never to an older one', async () => {
    const before = await addKeys([
      { owner: owners[0], root: oldRoot, generation: 1 },
      { owner: owners[1], root: oldRoot, generation: 4 },
      { owner: owners[2], root: oldRoot, generation: 1 },
    ]);
    await db.insert(sealingGenerations).values({ tenantId: owners[0], generation: 3 });
    await db.insert(sealingGenerations).values({ tenantId: owners[1], generation: 2 });
    await rotateRoot({ db, rootKeys: [newRoot, oldRoot] });
    expect((await storedKeys()).map(({ generation }) => generation)).toEqual([3, 4, 1]);
    expect(await secrets([newRoot])).toEqual(before);
  });

  test('rotating the root ends with everything under the new root alone, wherever it was killed and however often', async () => {
    let kills = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ owner: fc.nat(2), isOld: fc.boolean() }), { minLength: 2, maxLength: 8 }),
        fc.array(fc.boolean(), { maxLength: 3 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (rows, areLogsOld, killedAfter, isAnswerLost) => {
          await db.delete(apiKeys);
          await db.delete(auditEntries);
          await db.delete(auditChains);
          const rootOf = (isOld: boolean) => (isOld ? oldRoot : newRoot);
          const before = await addKeys(
            rows.map(({ owner, isOld }) => ({ owner: owners[owner] ?? '', root: rootOf(isOld) })),
          );
          for (const [index, isOld] of areLogsOld.entries()) await addLog(owners[index] ?? '', rootOf(isOld));
          const chainKeysBefore = await chainKeys([newRoot, oldRoot]);
          for (const pick of killedAfter) {
            const keysLeft = await db.$count(apiKeys, eq(apiKeys.rootId, oldRoot.id));
            const logsLeft = await db.$count(auditChains, eq(auditChains.rootId, oldRoot.id));
            // Of each kind: reading the rows, the statements for each row and a last look, if there are any.
            const statements =
              1 + 2 * keysLeft + (keysLeft > 0 ? 1 : 0) + 1 + logsLeft + (logsLeft > 0 ? 1 : 0);
            const mortal = killedAfterStatements(pick % statements, isAnswerLost);
            await expect(rotateRoot({ db: mortal, rootKeys: [newRoot, oldRoot] })).rejects.toMatchObject(
              killed,
            );
            kills += 1;
            expect(await secrets([newRoot, oldRoot])).toEqual(before);
            expect(await chainKeys([newRoot, oldRoot])).toEqual(chainKeysBefore);
          }
          expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toMatchObject({ failures: [] });
          expect(await secrets([newRoot])).toEqual(before);
          expect(await chainKeys([newRoot])).toEqual(chainKeysBefore);
        },
      ),
      { numRuns: 60 },
    );
    expect(kills).toBeGreaterThanOrEqual(50);
    say(`killed and finished: ${kills} root rotations`);
  });

  test('rotating the root does not overwrite a key that changed meanwhile, and reads it again', async () => {
    await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[0], root: oldRoot },
      { owner: owners[0], root: oldRoot },
    ]);
    const [first, second, third] = (await storedKeys()).map(({ id }) => id);
    const changes = [
      () => replaceSecret(first ?? '', oldRoot, 'sk-canary-old-root'),
      () => replaceSecret(second ?? '', newRoot, 'sk-canary-new-root'),
      () => db.delete(apiKeys).where(eq(apiKeys.id, third ?? '')),
    ];
    const crowded = aroundStatements(async (statement, run) => {
      if (statement.startsWith('update')) await changes.shift()?.();
      return await run();
    });
    const rotation = await rotateRoot({ db: crowded, rootKeys: [newRoot, oldRoot] });
    expect(rotation).toEqual({ resealed: 1, resealedLogs: 0, resealedFiles: 0, skipped: 0, failures: [] });
    expect(await secrets([newRoot])).toEqual(
      new Map([
        [first, 'sk-canary-old-root'],
        [second, 'sk-canary-new-root'],
      ]),
    );
  });

  test('rotating the root names a key that does not open, leaves it as it is and goes on', async () => {
    await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[0], root: oldRoot },
      { owner: owners[1], root: new RootKey(randomBytes(32)) },
      { owner: owners[1], root: oldRoot, needsReentry: true },
      { owner: owners[1], root: oldRoot },
    ]);
    const [tampered, , unknown, waiting] = await storedKeys();
    await db
      .update(apiKeys)
      .set({ baseUrl: 'https://gateway.evil/v1' })
      .where(eq(apiKeys.id, tampered?.id ?? ''));
    const untouched = [{ ...tampered, baseUrl: 'https://gateway.evil/v1' }, unknown, waiting];

    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toEqual({
      resealed: 2,
      resealedLogs: 0,
      resealedFiles: 0,
      skipped: 1,
      failures: [
        { id: tampered?.id, type: 'tampered' },
        { id: unknown?.id, type: 'unknown-root' },
      ],
    });
    const after = await storedKeys();
    expect([after[0], after[2], after[3]]).toEqual(untouched);
  });

  test('rotating the root makes no string of a secret and wipes its bytes', async () => {
    await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[1], root: oldRoot },
    ]);
    const decoded = vi.spyOn(TextDecoder.prototype, 'decode');
    const toText = vi.spyOn(sodium, 'to_string');
    const opened: Uint8Array[] = [];
    const unpad = sodium.unpad;
    vi.spyOn(sodium, 'unpad').mockImplementation((padded, blockSize) => {
      const plain = unpad(padded, blockSize);
      plain.slice = (start) => {
        const copy = Uint8Array.from(plain.subarray(start));
        opened.push(copy);
        expect(Buffer.from(copy).toString()).toContain('sk-canary');
        return copy;
      };
      return plain;
    });
    await rotateRoot({ db, rootKeys: [newRoot, oldRoot] });
    expect(opened.map((bytes) => bytes.length > 0 && bytes.every((byte) => byte === 0))).toEqual([
      true,
      true,
    ]);
    expect(toText).not.toHaveBeenCalled();
    expect(decoded.mock.results.filter(({ value }) => String(value).includes('sk-canary'))).toEqual([]);
  });
});

describe('rotating the root under an audit log', () => {
  test('rotating the root seals the key of an audit log again, and its entries before and after are one valid log', async () => {
    await addLog(owners[0], oldRoot);
    const headBefore = await soundHeads([oldRoot]);
    expect(await rowsByRootId(db)).toEqual(new Map([[oldRoot.id, 1]]));
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toEqual({
      resealed: 0,
      resealedLogs: 1,
      resealedFiles: 0,
      skipped: 0,
      failures: [],
    });
    expect(await rowsByRootId(db)).toEqual(new Map([[newRoot.id, 1]]));
    expect(await soundHeads([newRoot])).toEqual(headBefore);
    await addLog(owners[0], newRoot);
    expect(await soundHeads([newRoot])).toMatchObject([{ tenantId: owners[0], length: 6 }]);
    await expect(addLog(owners[0], oldRoot)).rejects.toMatchObject({ type: 'unknown-root' });
  });

  test('rotating the root under an audit log does not undo what is recorded meanwhile', async () => {
    await addLog(owners[0], oldRoot);
    const crowded = aroundStatements(async (statement, run) => {
      if (statement.startsWith('update')) await addLog(owners[0], oldRoot);
      return await run();
    });
    expect(await rotateRoot({ db: crowded, rootKeys: [newRoot, oldRoot] })).toMatchObject({
      resealedLogs: 1,
    });
    expect(await soundHeads([newRoot])).toMatchObject([{ length: 6 }]);
  });

  test('rotating the root under an audit log leaves one whose key another run has sealed meanwhile', async () => {
    await addLog(owners[0], oldRoot);
    const crowded = aroundStatements(async (statement, run) => {
      if (statement.startsWith('update')) await rotateRoot({ db, rootKeys: [newRoot, oldRoot] });
      return await run();
    });
    expect(await rotateRoot({ db: crowded, rootKeys: [newRoot, oldRoot] })).toMatchObject({
      resealedLogs: 0,
    });
    expect(await soundHeads([newRoot])).toMatchObject([{ length: 3 }]);
  });

  test('rotating the root under an audit log names one whose key does not open, leaves it as it is and goes on', async () => {
    for (const owner of owners) await addLog(owner, oldRoot);
    await tamperLog(owners[1]);
    const left = await storedLog(owners[1]);
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toMatchObject({
      resealedLogs: 2,
      failures: [{ id: owners[1], type: 'tampered' }],
    });
    expect(await storedLog(owners[1])).toEqual(left);
  });
});

describe('rotating with files', () => {
  test('rotating the root seals the key of every file again, and its bytes need not change', async () => {
    const before = await addFiles([
      { owner: owners[0], root: oldRoot },
      { owner: owners[1], root: newRoot },
      { owner: owners[2], root: oldRoot },
    ]);
    expect(await rowsByRootId(db)).toEqual(
      new Map([
        [oldRoot.id, 2],
        [newRoot.id, 1],
      ]),
    );
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toEqual({
      resealed: 0,
      resealedLogs: 0,
      resealedFiles: 2,
      skipped: 0,
      failures: [],
    });
    expect(await rowsByRootId(db)).toEqual(new Map([[newRoot.id, 3]]));
    expect(await fileKeys([newRoot])).toEqual(before);
  });

  test('rotating a tenant seals the keys of its files with the new generation, and finishes what a kill left', async () => {
    await addFiles([{ owner: owners[0], root: newRoot }]);
    await addFiles([{ owner: owners[1], root: newRoot }]);
    const before = await fileKeys([newRoot]);
    const deps = { db, rootKeys: [newRoot] as const };
    expect(await rotateTenant(deps, owners[0])).toMatchObject({ type: 'begun', resealedFiles: 1 });
    expect((await storedFiles()).map(({ generation }) => generation)).toEqual([2, 1]);
    await db.update(sealingGenerations).set({ generation: 3 });
    expect(await rotateTenant(deps, owners[0])).toMatchObject({ type: 'finished-earlier', resealedFiles: 1 });
    expect(await rotateTenant(deps, owners[0])).toMatchObject({ type: 'begun', generation: 4 });
    expect(await fileKeys([newRoot])).toEqual(before);
  });

  test('a file whose row was changed is named and left as it is, and so is one that was moved to another workspace', async () => {
    await addFiles(owners.map((owner) => ({ owner, root: oldRoot })));
    const [tampered, moved] = await storedFiles();
    const ids = [tampered?.id ?? '', moved?.id ?? ''] as const;
    await db
      .update(attachments)
      .set({ tag: new Uint8Array(32) })
      .where(eq(attachments.id, ids[0]));
    await db.update(attachments).set({ workspaceId: owners[0] }).where(eq(attachments.id, ids[1]));
    expect(await rotateRoot({ db, rootKeys: [newRoot, oldRoot] })).toMatchObject({
      resealedFiles: 1,
      failures: ids.map((id) => ({ id, type: 'tampered' })),
    });
    const said = await printed((printLine) => verifyCommand({ db, rootKeys: [newRoot, oldRoot], printLine }));
    expect(said.replaceAll(ids[0], '<file 1>').replaceAll(ids[1], '<file 2>')).toMatchInlineSnapshot(`
      "Root key <new root>, generation 1: 1 file opened.
      The file <file 1> does not open: tampered.
      The file <file 2> does not open: tampered.
      2 files left as found.
      tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.
      exit code 1"
    `);
  });
});

describe('rotating an owner', () => {
  test('rotating a tenant leaves the key of its audit log as it is', async () => {
    await addKeys([{ owner: owners[0], root: newRoot }]);
    await addLog(owners[0], newRoot);
    const before = await storedLog(owners[0]);
    expect(await rotateTenant({ db, rootKeys: [newRoot] }, owners[0])).toMatchObject({
      type: 'begun',
      resealed: 1,
    });
    expect(await storedLog(owners[0])).toEqual(before);
    await addLog(owners[0], newRoot);
    expect(await soundHeads([newRoot])).toMatchObject([{ length: 6 }]);
    expect(await rotateTenant({ db, rootKeys: [newRoot] }, owners[0])).toMatchObject({ type: 'begun' });
  });

  test('rotating a tenant begins a generation and seals the keys of that owner with it', async () => {
    const before = await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[1], root: newRoot },
      { owner: owners[0], root: newRoot },
    ]);
    const rootKeys = [newRoot, oldRoot] as const;
    expect(await rotateTenant({ db, rootKeys }, owners[0])).toEqual({
      type: 'begun',
      generation: 2,
      resealed: 2,
      resealedFiles: 0,
      skipped: 0,
      failures: [],
    });
    expect(await rotateTenant({ db, rootKeys }, owners[0])).toMatchObject({ type: 'begun', generation: 3 });
    expect((await storedKeys()).map(({ generation, rootId }) => [generation, rootId])).toEqual([
      [3, newRoot.id],
      [1, newRoot.id],
      [3, newRoot.id],
    ]);
    expect(await secrets([newRoot])).toEqual(before);
  });

  test('rotating a tenant uses up one generation, wherever it was killed and however often', async () => {
    let kills = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 6 }),
        fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (keys, killedAfter, isAnswerLost) => {
          await db.delete(apiKeys);
          await db.delete(sealingGenerations);
          const before = await addKeys(
            Array.from({ length: keys }, () => ({ owner: owners[0], root: newRoot })),
          );
          for (const pick of killedAfter) {
            const left = await unfinishedKeys(owners[0]);
            const generation = await tenantGeneration(db, owners[0]);
            const statements = left > 0 ? 3 + 2 * left : 6 + 2 * keys;
            const mortal = killedAfterStatements(pick % statements, isAnswerLost);
            await expect(rotateTenant({ db: mortal, rootKeys: [newRoot] }, owners[0])).rejects.toMatchObject(
              killed,
            );
            kills += 1;
            expect(await secrets([newRoot])).toEqual(before);
            if (left > 0) expect(await tenantGeneration(db, owners[0])).toBe(generation);
          }
          const left = await unfinishedKeys(owners[0]);
          const last = await rotateTenant({ db, rootKeys: [newRoot] }, owners[0]);
          expect(last).toMatchObject({ type: left > 0 ? 'finished-earlier' : 'begun', failures: [] });
          expect(await unfinishedKeys(owners[0])).toBe(0);
          expect(await secrets([newRoot])).toEqual(before);
        },
      ),
      { numRuns: 60 },
    );
    expect(kills).toBeGreaterThanOrEqual(50);
    say(`killed and finished: ${kills} owner rotations`);
  });

  test('a rotation keeps the newer generation of one that ran meanwhile', async () => {
    await addKeys([{ owner: owners[0], root: newRoot }]);
    let theirs: unknown;
    const crowded = aroundStatements(async (statement, run) => {
      if (statement.startsWith('insert')) {
        await rotateTenant({ db, rootKeys: [newRoot] }, owners[0]);
        theirs = await rotateTenant({ db, rootKeys: [newRoot] }, owners[0]);
      }
      return await run();
    });
    const mine = await rotateTenant({ db: crowded, rootKeys: [newRoot] }, owners[0]);
    expect(theirs).toMatchObject({ generation: 3, resealed: 1 });
    expect(mine).toMatchObject({ generation: 3, resealed: 0 });
  });

  test('rotating a tenant is not held up for ever by a key that does not open', async () => {
    await addKeys([
      { owner: owners[0], root: newRoot },
      { owner: owners[0], root: newRoot },
    ]);
    const [broken] = await storedKeys();
    await tamper(broken?.id ?? '');
    const failures = [{ id: broken?.id, type: 'tampered' }];
    expect(await rotateTenant({ db, rootKeys: [newRoot] }, owners[0])).toMatchObject({
      generation: 2,
      failures,
    });
    expect(await rotateTenant({ db, rootKeys: [newRoot] }, owners[0])).toMatchObject({
      type: 'begun',
      generation: 3,
      resealed: 1,
      failures,
    });
  });
});

test('verifying counts what opens by root and generation, names what does not, and changes nothing', async () => {
  await addKeys([
    { owner: owners[0], root: newRoot },
    { owner: owners[0], root: newRoot },
    { owner: owners[0], root: newRoot, generation: 2 },
    { owner: owners[1], root: oldRoot },
    { owner: owners[1], root: oldRoot },
    { owner: owners[1], root: oldRoot, needsReentry: true },
    { owner: owners[1], root: new RootKey(randomBytes(32)) },
  ]);
  await addLog(owners[0], newRoot);
  await addLog(owners[1], oldRoot);
  await addLog(owners[2], oldRoot);
  const tampered = (await storedKeys())[3]?.id ?? '';
  await tamper(tampered);
  await tamperLog(owners[2]);
  const before = await storedKeys();
  const logsBefore = await db.select().from(auditChains);
  const { opened, skipped, failures } = await verifyKeys({ db, rootKeys: [newRoot, oldRoot] });
  const counts = new Map(
    opened.map(({ rootId, generation, keys, logs }) => [`${rootId} generation ${generation}`, [keys, logs]]),
  );
  expect(counts).toEqual(
    new Map([
      [`${newRoot.id} generation 1`, [2, 1]],
      [`${newRoot.id} generation 2`, [1, 0]],
      [`${oldRoot.id} generation 1`, [1, 1]],
    ]),
  );
  expect(skipped).toBe(1);
  expect(failures).toEqual([
    { id: tampered, type: 'tampered' },
    { id: before[6]?.id, type: 'unknown-root' },
    { id: owners[2], type: 'tampered' },
  ]);
  expect(await storedKeys()).toEqual(before);
  expect(await db.select().from(auditChains)).toEqual(logsBefore);
  expect((await rowsByRootId(db)).get(oldRoot.id), 'those to be pasted again need no root').toBe(4);
});

describe('the commands report without any secret', () => {
  test('the commands report without any secret that the root was rotated and what to do next', async () => {
    await addKeys(Array.from({ length: 3 }, () => ({ owner: owners[0], root: oldRoot })));
    expect(
      await printed((printLine) => verifyCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Root key <old root>, generation 1: 3 keys opened.
      Every key opens: 3 keys.
      Some are not sealed with the first root, <new root>, yet. To seal them with it, run keys rotate-root.
      exit code 0"
    `);
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      3 keys sealed again.
      Every key is sealed with root <new root> and opens: 3 keys.
      The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.
      exit code 0"
    `);
    expect(
      await printed((printLine) => verifyCommand({ db, rootKeys: [newRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Root key <new root>, generation 1: 3 keys opened.
      Every key opens: 3 keys.
      exit code 0"
    `);
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      0 keys sealed again.
      Every key is sealed with root <new root> and opens: 3 keys.
      It is the only root key given. To change it, put a new one and a comma before it in LATCHKEY_ROOT_KEY or its file, restart the server and run this again.
      exit code 0"
    `);
  });

  test('the commands report without any secret which keys do not open, and that the old root is still needed', async () => {
    await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[0], root: new RootKey(randomBytes(32)) },
      { owner: owners[0], root: oldRoot, needsReentry: true },
    ]);
    await tamper((await storedKeys())[0]?.id ?? '');
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      0 keys sealed again.
      1 key skipped, waiting for the secret to be pasted again.
      <key 1> does not open: tampered.
      <key 2> does not open: unknown-root.
      2 keys left as found.
      unknown-root: add the root key that sealed it to LATCHKEY_ROOT_KEY or its file, after the first one.
      tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.
      Then run this again. Until it ends without such a key, keep the old root key where it is.
      exit code 1"
    `);
    expect(
      await printed((printLine) => verifyCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "1 key skipped, waiting for the secret to be pasted again.
      <key 1> does not open: tampered.
      <key 2> does not open: unknown-root.
      2 keys left as found.
      unknown-root: add the root key that sealed it to LATCHKEY_ROOT_KEY or its file, after the first one.
      tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.
      exit code 1"
    `);
  });

  test('the commands report without any secret that a server still seals with the old root', async () => {
    await addKeys([
      { owner: owners[0], root: oldRoot },
      { owner: owners[0], root: oldRoot },
    ]);
    const [late] = await db
      .delete(apiKeys)
      .where(eq(apiKeys.id, (await storedKeys())[0]?.id ?? ''))
      .returning();
    const crowded = aroundStatements(async (statement, run) => {
      if (statement.startsWith('update') && late !== undefined) await db.insert(apiKeys).values(late);
      return await run();
    });
    expect(
      await printed((printLine) =>
        rotateRootCommand({ db: crowded, rootKeys: [newRoot, oldRoot], printLine }),
      ),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      1 key sealed again.
      1 key sealed with another root meanwhile, by a server that still runs with the old order of roots.
      Restart every server with <new root> as its first root, then run this again.
      exit code 1"
    `);
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      1 key sealed again.
      Every key is sealed with root <new root> and opens: 2 keys.
      The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.
      exit code 0"
    `);
  });

  test('the commands report without any secret that a key only claims to be sealed with the new root', async () => {
    await addKeys([{ owner: owners[0], root: oldRoot }]);
    await db.update(apiKeys).set({ rootId: newRoot.id });
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      0 keys sealed again.
      <key 1> does not open: tampered.
      1 key left as found.
      tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.
      Then run this again. Until it ends without such a key, keep the old root key where it is.
      exit code 1"
    `);
  });

  test('the commands name the audit logs that were sealed again and those that do not open', async () => {
    await addKeys([{ owner: owners[0], root: oldRoot }]);
    await addLog(owners[0], oldRoot);
    await addLog(owners[1], oldRoot);
    expect(
      await printed((printLine) => rotateRootCommand({ db, rootKeys: [newRoot, oldRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Sealing every key with root <new root>. If this is interrupted, run it again.
      1 key and 2 audit logs sealed again.
      Every key is sealed with root <new root> and opens: 1 key and 2 audit logs.
      The old root key can be taken out of LATCHKEY_ROOT_KEY or its file now. Store it for as long as you keep older backups: they need it.
      exit code 0"
    `);
    await tamperLog(owners[0]);
    await tamperLog(owners[1]);
    expect(
      await printed((printLine) => verifyCommand({ db, rootKeys: [newRoot], printLine })),
    ).toMatchInlineSnapshot(`
      "Root key <new root>, generation 1: 1 key opened.
      The audit log of <workspace> does not open: tampered.
      The audit log of <workspace> does not open: tampered.
      2 audit logs left as found.
      tampered: the row was changed outside Latchkey. Restore it from a backup; a key can also be replaced or removed.
      exit code 1"
    `);
  });

  test('the commands report without any secret that an owner was rotated, or that an earlier rotation was finished', async () => {
    await addKeys([
      { owner: owners[0], root: newRoot },
      { owner: owners[0], root: newRoot },
    ]);
    const deps = { db, rootKeys: [newRoot] as const };
    expect(
      await printed((printLine) => rotateTenantCommand({ ...deps, printLine }, owners[0])),
    ).toMatchInlineSnapshot(`
      "Sealing the keys of <workspace> again. If this is interrupted, run it again.
      2 keys sealed again with generation 2.
      exit code 0"
    `);
    await db.update(sealingGenerations).set({ generation: 3 });
    expect(
      await printed((printLine) => rotateTenantCommand({ ...deps, printLine }, owners[0])),
    ).toMatchInlineSnapshot(`
      "Sealing the keys of <workspace> again. If this is interrupted, run it again.
      2 keys sealed again with generation 3.
      This finished a rotation that was begun earlier. Run it again to begin a further generation.
      exit code 0"
    `);
    const team = await addTeam();
    const said = await printed((printLine) => rotateTenantCommand({ ...deps, printLine }, team));
    expect(said).toBe(
      [
        `Sealing the keys of ${team} again. If this is interrupted, run it again.`,
        '0 keys sealed again with generation 2.',
        'exit code 0',
      ].join('\n'),
    );
    expect(
      await printed((printLine) => rotateTenantCommand({ ...deps, printLine }, 'wsp_nowhere')),
    ).toMatchInlineSnapshot(`
      "There is no workspace or team with this id. Nothing was changed.
      exit code 1"
    `);
  });
});

/** Adds one key per item, in the order of their ids, and returns the secrets by id. */
async function addKeys(
  items: { owner: string; root: RootKey; generation?: number; needsReentry?: boolean }[],
): Promise<Map<string, string>> {
  const added = new Map<string, string>();
  const rows = items.map(({ owner, root, generation = 1, needsReentry = false }) => {
    const id = newId('key');
    const secret = `sk-canary-${randomBytes(12).toString('hex')}`;
    added.set(id, secret);
    const key = { provider: 'OPENAI', baseUrl: 'https://api.openai.com/v1', generation, version: 1 };
    const record = sealRecord(root, { ...key, tenantId: owner, apiKeyId: id }, secret);
    const row = {
      id,
      workspaceId: owner,
      label: 'a key',
      health: 'ACTIVE' as const,
      position: 1,
      needsReentry,
    };
    return { ...row, ...key, ...record };
  });
  await db.insert(apiKeys).values(rows);
  return added;
}

function storedKeys() {
  return db.select().from(apiKeys).orderBy(asc(apiKeys.id));
}

/** Every secret by the id of its key, opened with these roots only. */
async function secrets(rootKeys: readonly RootKey[]): Promise<Map<string, string>> {
  const rows = await storedKeys();
  return new Map(
    rows.map((row) => {
      const bytes = openRecord(rootKeys, { ...row, apiKeyId: row.id }, row);
      return [row.id, Buffer.from(bytes).toString()];
    }),
  );
}

/** Adds one uploaded file per item, in the order of their ids, and returns their keys by id. */
async function addFiles(items: { owner: string; root: RootKey }[]): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  for (const { owner, root } of items) {
    const place = { id: newId('att'), workspaceId: owner };
    const key = newFileKey(place.id);
    keys.set(place.id, Buffer.from(key.secret).toString('hex'));
    const sealed = await sealFileKey({ db, rootKeys: [root] }, place, key, new Uint8Array(32));
    const facts = { fileName: 'notes.txt', sizeBytes: 1, uploads: 1, status: 'READY' as const };
    await db.insert(attachments).values({ ...place, ...facts, ...sealed });
  }
  return keys;
}

function storedFiles() {
  return db.select().from(attachments).orderBy(asc(attachments.id));
}

/** The key of every file by its id, opened with these roots only. */
async function fileKeys(rootKeys: readonly RootKey[]): Promise<Map<string, string>> {
  const rows = (await storedFiles()) as SealedFileKey[];
  return new Map(rows.map((row) => [row.id, Buffer.from(openFileKey(rootKeys, row).secret).toString('hex')]));
}

/** Records three things in the audit log of an owner. */
async function addLog(tenantId: string, root: RootKey): Promise<void> {
  for (const previousName of ['one', 'two', 'three'])
    await db.transaction((tx) =>
      recordAudit(tx, { rootKeys: [root] }, tenantId, {
        action: 'WORKSPACE_CHANGED',
        actorId: null,
        subjectId: tenantId,
        details: { previousName, name: 'another' },
      }),
    );
}

async function storedLog(tenantId: string) {
  return await db.select().from(auditChains).where(eq(auditChains.tenantId, tenantId));
}

/** The key of every audit log by its owner, opened with these roots only. */
async function chainKeys(rootKeys: readonly RootKey[]): Promise<Map<string, string>> {
  const chains = await db.select().from(auditChains);
  return new Map(
    chains.map((chain) => [chain.tenantId, Buffer.from(openChainKey(rootKeys, chain)).toString('hex')]),
  );
}

/** The heads of all audit logs, which are all sound. */
async function soundHeads(rootKeys: readonly RootKey[]) {
  const logs = await Array.fromAsync(verifyAudit({ db, rootKeys }, { heads: [] }));
  expect(logs.flatMap(({ faults }) => faults)).toEqual([]);
  return logs.map(({ head }) => head);
}

async function tamperLog(tenantId: string): Promise<void> {
  await db
    .update(auditChains)
    .set({ tag: new Uint8Array(32) })
    .where(eq(auditChains.tenantId, tenantId));
}

async function addTeam(): Promise<string> {
  const [user] = await db.select({ id: users.id }).from(users);
  const [team] = await db
    .insert(teams)
    .values({ name: 'four', ownerUserId: user?.id ?? '' })
    .returning({ id: teams.id });
  return team?.id ?? '';
}

async function replaceSecret(id: string, root: RootKey, secret: string): Promise<void> {
  const [row] = await db.select().from(apiKeys).where(eq(apiKeys.id, id));
  if (row === undefined) throw new Error('no such key');
  const version = row.version + 1;
  const record = sealRecord(root, { ...row, apiKeyId: id, version }, secret);
  await db
    .update(apiKeys)
    .set({ ...record, version })
    .where(eq(apiKeys.id, id));
}

async function tamper(id: string): Promise<void> {
  await db
    .update(apiKeys)
    .set({ tag: new Uint8Array(32) })
    .where(eq(apiKeys.id, id));
}

/** How many of an owner's keys are on an older generation. */
async function unfinishedKeys(tenantId: string): Promise<number> {
  const newest = await tenantGeneration(db, tenantId);
  return (await storedKeys()).filter((row) => row.tenantId === tenantId && row.generation < newest).length;
}

class Killed extends Error {}
const killed = { cause: expect.any(Killed) };

/**
 * The database of a process that dies after so many statements: before the next one is sent or, with `isAnswerLost`, after
 * it was carried out.
 */
function killedAfterStatements(statements: number, isAnswerLost: boolean): Database {
  let left = statements;
  return aroundStatements(async (_statement, run) => {
    left -= 1;
    if (left >= 0) return await run();
    if (left === -1 && isAnswerLost) await run();
    throw new Killed();
  });
}

/** The same database, with something done around each statement on its way there. */
function aroundStatements(
  around: (statement: string, run: () => Promise<unknown>) => Promise<unknown>,
): Database {
  const { $client: client } = db as unknown as { $client: postgres.Sql };
  const unsafe = (...given: Parameters<typeof client.unsafe>) => {
    let asArrays = false;
    const run = async () =>
      asArrays ? await client.unsafe(...given).values() : await client.unsafe(...given);
    const reply = Promise.resolve().then(() => around(given[0], run));
    return Object.assign(reply, {
      values() {
        asArrays = true;
        return reply;
      },
    });
  };
  return drizzle({ client: { ...client, unsafe } as unknown as postgres.Sql });
}

/** What a command says, with its exit code as the last line and ids as names. */
async function printed(command: (printLine: (sentence: string) => void) => Promise<number>): Promise<string> {
  const lines: string[] = [];
  lines.push(`exit code ${await command((sentence) => lines.push(sentence))}`);
  const names = new Map([
    [oldRoot.id, '<old root>'],
    [newRoot.id, '<new root>'],
    ...owners.map((id): [string, string] => [id, '<workspace>']),
    ...(await storedKeys()).map(({ id }, index): [string, string] => [id, `<key ${index + 1}>`]),
  ]);
  let text = lines.join('\n');
  for (const [id, name] of names) text = text.replaceAll(id, name);
  expect(text).not.toContain('sk-canary');
  return text;
}
