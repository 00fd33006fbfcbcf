import { and, eq, lt, ne, type SQL } from 'drizzle-orm';
import { readSealedChains, resealChainKey, type SealedChain } from '../audit/chain.ts';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { auditChains } from '../db/tables/audit.ts';
import { type RecordContext, type Root, SealError, type SealedRecord, sealRecord } from './seal-record.ts';
import {
  contextOf,
  openSealedKey,
  readSealedKeys,
  type SealedKey,
  type SealedKeyFailure,
} from './sealed-key.ts';
import { beginGeneration, ownerGeneration } from './sealing-key.ts';

/**
 * Seals everything that another root sealed anew with the first root: provider keys and the keys of audit logs. Killed at
 * any point, a rerun does the rest.
 */
export async function rotateRoot(deps: RotateDeps): Promise<RootRotation> {
  const rootId = deps.roots[0].id;
  const keys = await sealKeysAnew(deps, ne(apiKeys.rootId, rootId));
  const logs = await sealAnew({
    read: () => readSealedChains(deps.db, ne(auditChains.rootId, rootId)),
    idOf: ({ ownerId }) => ownerId,
    needsReentry: () => false,
    sealRow: (chain) => sealChainAnew(deps, chain),
  });
  return { ...keys, resealedLogs: logs.resealed, failures: [...keys.failures, ...logs.failures] };
}

/**
 * Begins a new generation of an owner's sealing key and seals the owner's keys anew with it.
 *
 * A run that was killed left keys on an older generation. The next run only finishes that and begins none of its own, or
 * every kill would use one up. Keys that do not open stay behind for ever and so do not count as unfinished. The owner's
 * audit log has no part in this: see `sealChainKey`.
 */
export async function rotateOwner(deps: RotateDeps, ownerId: string): Promise<OwnerRotation> {
  const newest = await ownerGeneration(deps.db, ownerId);
  const rest = await sealKeysAnew(deps, olderThan(ownerId, newest));
  if (rest.resealed > 0) return { ...rest, type: 'finished-earlier', generation: newest };

  const generation = await beginGeneration(deps.db, ownerId, newest);
  const rotation = await sealKeysAnew(deps, olderThan(ownerId, generation));
  return { ...rotation, type: 'begun', generation };
}

export interface RotateDeps {
  db: Database;
  /** The first one seals, all of them open. */
  roots: readonly [Root, ...Root[]];
}

export interface Rotation {
  /** How many keys were sealed anew. */
  resealed: number;
  /** How many were left alone because their secret has to be pasted again anyway. */
  skipped: number;
  /** Those that do not open. They are left as they are. */
  failures: SealedKeyFailure[];
}

export interface RootRotation extends Rotation {
  /** Of how many audit logs the key was sealed anew. */
  resealedLogs: number;
}

export interface OwnerRotation extends Rotation {
  /** Whether this run began the generation or only finished what an earlier one had begun. */
  type: 'begun' | 'finished-earlier';
  generation: number;
}

function sealKeysAnew(deps: RotateDeps, unfinished: SQL | undefined): Promise<Rotation> {
  return sealAnew({
    read: () => readSealedKeys(deps.db, unfinished),
    idOf: ({ id }) => id,
    needsReentry: (key) => key.needsReentry,
    sealRow: (key) => sealKeyAnew(deps, key),
  });
}

/** Goes through the unfinished rows until nobody changed one of them during a whole pass. */
async function sealAnew<Row>(rows: SealedRows<Row>): Promise<Rotation> {
  let resealed = 0;
  for (;;) {
    const pass = await sealAnewOnce(rows);
    resealed += pass.resealed;
    if (pass.changedMeanwhile === 0) return { resealed, skipped: pass.skipped, failures: pass.failures };
  }
}

async function sealAnewOnce<Row>({ read, idOf, needsReentry, sealRow }: SealedRows<Row>) {
  const pass = { resealed: 0, skipped: 0, changedMeanwhile: 0, failures: [] as SealedKeyFailure[] };
  for await (const row of read()) {
    if (needsReentry(row)) {
      pass.skipped += 1;
      continue;
    }
    try {
      if (await sealRow(row)) pass.resealed += 1;
      else pass.changedMeanwhile += 1;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      pass.failures.push({ id: idOf(row), type: error.type });
    }
  }
  return pass;
}

/** A kind of rows that hold something sealed. */
interface SealedRows<Row> {
  /** Those that are still to be sealed anew. */
  read: () => AsyncIterable<Row>;
  idOf: (row: Row) => string;
  needsReentry: (row: Row) => boolean;
  /** False if somebody changed or removed the row since it was read; theirs stands. */
  sealRow: (row: Row) => Promise<boolean>;
}

async function sealKeyAnew({ db, roots }: RotateDeps, key: SealedKey): Promise<boolean> {
  // Never backwards: an older generation may be the one that was rotated away for a reason.
  const generation = Math.max(key.generation, await ownerGeneration(db, key.ownerId));
  const version = key.version + 1;
  const record = resealed(roots, key, { ...contextOf(key), generation, version });
  const updated = await db
    .update(apiKeys)
    .set({ ...record, generation, version })
    .where(and(eq(apiKeys.id, key.id), eq(apiKeys.version, key.version)))
    .returning({ id: apiKeys.id });
  return updated.length > 0;
}

function resealed(roots: RotateDeps['roots'], key: SealedKey, context: RecordContext): SealedRecord {
  const secretBytes = openSealedKey(roots, key);
  try {
    return sealRecord(roots[0], context, secretBytes);
  } finally {
    secretBytes.fill(0);
  }
}

async function sealChainAnew({ db, roots }: RotateDeps, chain: SealedChain): Promise<boolean> {
  const updated = await db
    .update(auditChains)
    .set(resealChainKey(roots, chain))
    .where(and(eq(auditChains.ownerId, chain.ownerId), eq(auditChains.version, chain.version)))
    .returning({ ownerId: auditChains.ownerId });
  return updated.length > 0;
}

function olderThan(ownerId: string, generation: number): SQL | undefined {
  return and(eq(apiKeys.ownerId, ownerId), lt(apiKeys.generation, generation));
}
