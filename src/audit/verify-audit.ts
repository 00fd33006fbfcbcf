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
 * Recomputes every audit log from its first entry on, changing nothing, and says of each what is wrong with it. Who cuts
 * entries off the end and sets the chain's row back leaves a shorter log in which nothing is wrong, and who deletes a whole
 * log leaves nothing at all: only a head that was kept elsewhere tells.
 */
export async function* verifyAudit(
  { db, rootKeys }: { db: Database; rootKeys: readonly RootKey[] },
  { heads }: { heads: readonly AuditHead[] },
): AsyncGenerator<VerifiedLog> {
  const pinned = Map.groupBy(heads, ({ ownerId }) => ownerId);
  for await (const { ownerId } of readSealedChains(db, undefined)) {
    // One moment for chain and entries: a running server goes on recording meanwhile.
    const log = await db.transaction((tx) => verifyLog(tx, rootKeys, ownerId, pinned.get(ownerId) ?? []), {
      isolationLevel: 'repeatable read',
      accessMode: 'read only',
    });
    pinned.delete(ownerId);
    yield log;
  }
  for await (const ownerId of readOwnersWithoutChain(db)) {
    pinned.delete(ownerId);
    yield await broken(db, ownerId, { type: 'no-chain' });
  }
  for (const [ownerId, kept] of pinned) {
    const length = Math.max(...kept.map((head) => head.length));
    yield await broken(db, ownerId, { type: 'gone', length });
  }
}

/** The audit log of one owner and what is wrong with it. */
export interface VerifiedLog {
  ownerId: string;
  /** How many entries were found. */
  entries: number;
  /** Null if anything is wrong: who kept such a head would prove the wrong thing with it. */
  head: AuditHead | null;
  faults: readonly AuditFault[];
}

async function verifyLog(
  tx: Transaction,
  rootKeys: readonly RootKey[],
  ownerId: string,
  kept: readonly AuditHead[],
): Promise<VerifiedLog> {
  const [chain] = await tx.select().from(auditChains).where(eq(auditChains.ownerId, ownerId));
  if (chain === undefined) return await broken(tx, ownerId, { type: 'no-chain' });
  let chainKey: Uint8Array;
  try {
    chainKey = openChainKey(rootKeys, chain);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    return await broken(tx, ownerId, { type: 'unopened', reason: error.type });
  }
  try {
    return await walk(tx, chain, chainKey, kept);
  } finally {
    chainKey.fill(0);
  }
}

/** Follows a chain from entry to entry, and compares its end with what the chain's row remembers and with the heads. */
async function walk(
  tx: Transaction,
  chain: Chain,
  chainKey: Uint8Array,
  kept: readonly AuditHead[],
): Promise<VerifiedLog> {
  const { ownerId } = chain;
  const faults = new FaultList();
  const met = new Set<AuditHead>();
  let entries = 0;
  let last = 0;
  let previous = FIRST_HEAD;
  for await (const entry of readEntries(tx, ownerId)) {
    const { position, hash } = entry;
    entries += 1;
    if (position > last + 1) {
      faults.add('missing', last + 1, position - 1);
      faults.note({ type: 'unchecked', at: position });
    } else if (position < 1 || !isEqual(hash, entryHash(chainKey, previous, entry))) {
      faults.add('changed', position, position);
    }
    if (position < 1) continue;
    for (const head of kept) if (head.length === position && head.hash === toHex(hash)) met.add(head);
    previous = hash;
    last = position;
  }

  const length = Math.max(chain.length, 1); // a chain is begun with its first entry
  if (last < length) faults.add('missing', last + 1, length);
  else if (last > length) faults.add('surplus', length + 1, last);
  else if (!isEqual(previous, chain.head)) faults.note({ type: 'head' });
  for (const head of kept) {
    if (head.length > Math.max(last, length)) faults.note({ type: 'cut', after: last, length: head.length });
    else if (head.length <= last && !met.has(head)) faults.note({ type: 'differs', at: head.length });
  }
  const isSound = faults.all.length === 0;
  return {
    ownerId,
    entries,
    head: isSound ? { ownerId, length: last, hash: toHex(previous) } : null,
    faults: faults.all,
  };
}

function readEntries(tx: Transaction, ownerId: string) {
  return readInBatches(
    ({ position }: typeof auditEntries.$inferSelect) => position,
    (after, rows) =>
      tx
        .select()
        .from(auditEntries)
        .where(
          and(
            eq(auditEntries.ownerId, ownerId),
            after === undefined ? undefined : gt(auditEntries.position, after),
          ),
        )
        .orderBy(asc(auditEntries.position))
        .limit(rows),
  );
}

async function* readOwnersWithoutChain(db: Database): AsyncGenerator<string> {
  const owners = readInBatches(
    ({ ownerId }: { ownerId: string }) => ownerId,
    (lastId, rows) =>
      db
        .selectDistinct({ ownerId: auditEntries.ownerId })
        .from(auditEntries)
        .leftJoin(auditChains, eq(auditChains.ownerId, auditEntries.ownerId))
        .where(
          and(
            isNull(auditChains.ownerId),
            lastId === undefined ? undefined : gt(auditEntries.ownerId, lastId),
          ),
        )
        .orderBy(asc(auditEntries.ownerId))
        .limit(rows),
  );
  for await (const { ownerId } of owners) yield ownerId;
}

/** A log of which nothing but this can be said. */
async function broken(
  db: Pick<Database, '$count'>,
  ownerId: string,
  fault: AuditFault,
): Promise<VerifiedLog> {
  const entries = await db.$count(auditEntries, eq(auditEntries.ownerId, ownerId));
  return { ownerId, entries, head: null, faults: [fault] };
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
