import { and, asc, eq, gt, isNull } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { readInBatches } from '../db/read-in-batches.ts';
import { auditChains, auditEntries } from '../db/tables/audit.ts';
import { type RootKey, SealError } from '../vault/seal.ts';
import { type Chain, entryHash, FIRST_HEAD, openChainKey, readSealedChains } from './chain.ts';
import { type AuditFault, FaultList } from './fault.ts';
import type { AuditHead } from './head.ts';
import type { Transaction } from './record-audit.ts';

/**
 * Recomputes every audit log from its first entry on, without changing anything, and reports its faults. An attacker with
 * write access to the database can remove the last entries and restore an older row of the chain, which leaves a shorter
 * log without faults, or delete a whole log. Only a head that was kept elsewhere reveals either.
 */
export async function* verifyAudit(
  { db, rootKeys }: { db: Database; rootKeys: readonly RootKey[] },
  { heads }: { heads: readonly AuditHead[] },
): AsyncGenerator<VerifiedLog> {
  const pinned = Map.groupBy(heads, ({ tenantId }) => tenantId);
  for await (const { tenantId } of readSealedChains(db, undefined)) {
    // One snapshot for chain and entries: a running server goes on recording meanwhile.
    const log = await db.transaction((tx) => verifyLog(tx, rootKeys, tenantId, pinned.get(tenantId) ?? []), {
      isolationLevel: 'repeatable read',
      accessMode: 'read only',
    });
    pinned.delete(tenantId);
    yield log;
  }
  for await (const tenantId of readTenantsWithoutChain(db)) {
    pinned.delete(tenantId);
    yield await broken(db, tenantId, { type: 'no-chain' });
  }
  for (const [tenantId, kept] of pinned) {
    const length = Math.max(...kept.map((head) => head.length));
    yield await broken(db, tenantId, { type: 'gone', length });
  }
}

/** The audit log of one tenant and what is wrong with it. */
export interface VerifiedLog {
  tenantId: string;
  /** How many entries were found. */
  entries: number;
  /** Null if anything is wrong: a kept head of a changed log would prove the wrong entries. */
  head: AuditHead | null;
  faults: readonly AuditFault[];
}

async function verifyLog(
  tx: Transaction,
  rootKeys: readonly RootKey[],
  tenantId: string,
  kept: readonly AuditHead[],
): Promise<VerifiedLog> {
  const [chain] = await tx.select().from(auditChains).where(eq(auditChains.tenantId, tenantId));
  if (chain === undefined) return await broken(tx, tenantId, { type: 'no-chain' });
  let chainKey: Uint8Array;
  try {
    chainKey = openChainKey(rootKeys, chain);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return await broken(tx, tenantId, { type: 'unopened', reason: error.type });
  }
  try {
    return await walk(tx, chain, chainKey, kept);
  } finally {
    chainKey.fill(0);
  }
}

/** Follows a chain from entry to entry, and compares its end with the chain's row and with the kept heads. */
async function walk(
  tx: Transaction,
  chain: Chain,
  chainKey: Uint8Array,
  kept: readonly AuditHead[],
): Promise<VerifiedLog> {
  const { tenantId } = chain;
  const faults = new FaultList();
  const confirmed = new Set<AuditHead>();
  let entries = 0;
  let last = 0;
  let previous = FIRST_HEAD;
  for await (const entry of readEntries(tx, tenantId)) {
    const { position, hash } = entry;
    entries += 1;
    if (position > last + 1) {
      faults.add('missing', last + 1, position - 1);
      faults.note({ type: 'unchecked', at: position });
    } else if (position < 1 || !isEqual(hash, entryHash(chainKey, previous, entry))) {
      faults.add('changed', position, position);
    }
    if (position < 1) continue;
    for (const head of kept) if (head.length === position && head.hash === toHex(hash)) confirmed.add(head);
    previous = hash;
    last = position;
  }

  const length = Math.max(chain.length, 1); // a chain is begun with its first entry
  if (last < length) faults.add('missing', last + 1, length);
  else if (last > length) faults.add('surplus', length + 1, last);
  else if (!isEqual(previous, chain.head)) faults.note({ type: 'head' });
  for (const head of kept) {
    if (head.length > Math.max(last, length)) faults.note({ type: 'cut', after: last, length: head.length });
    else if (head.length <= last && !confirmed.has(head)) faults.note({ type: 'differs', at: head.length });
  }
  const isSound = faults.all.length === 0;
  return {
    tenantId,
    entries,
    head: isSound ? { tenantId, length: last, hash: toHex(previous) } : null,
    faults: faults.all,
  };
}

function readEntries(tx: Transaction, tenantId: string) {
  return readInBatches(
    ({ position }: typeof auditEntries.$inferSelect) => position,
    (after, rows) =>
      tx
        .select()
        .from(auditEntries)
        .where(
          and(
            eq(auditEntries.tenantId, tenantId),
            after === undefined ? undefined : gt(auditEntries.position, after),
          ),
        )
        .orderBy(asc(auditEntries.position))
        .limit(rows),
  );
}

async function* readTenantsWithoutChain(db: Database): AsyncGenerator<string> {
  const tenants = readInBatches(
    ({ tenantId }: { tenantId: string }) => tenantId,
    (lastId, rows) =>
      db
        .selectDistinct({ tenantId: auditEntries.tenantId })
        .from(auditEntries)
        .leftJoin(auditChains, eq(auditChains.tenantId, auditEntries.tenantId))
        .where(
          and(
            isNull(auditChains.tenantId),
            lastId === undefined ? undefined : gt(auditEntries.tenantId, lastId),
          ),
        )
        .orderBy(asc(auditEntries.tenantId))
        .limit(rows),
  );
  for await (const { tenantId } of tenants) yield tenantId;
}

/** A log that cannot be checked any further, with its only fault. */
async function broken(
  db: Pick<Database, '$count'>,
  tenantId: string,
  fault: AuditFault,
): Promise<VerifiedLog> {
  const entries = await db.$count(auditEntries, eq(auditEntries.tenantId, tenantId));
  return { tenantId, entries, head: null, faults: [fault] };
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
