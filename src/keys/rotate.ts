import { and, eq, lt, ne, type SQL } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type RecordContext, type Root, SealError, type SealedRecord, sealRecord } from './seal-record.ts';
import {
  contextOf,
  openSealedKey,
  readSealedKeys,
  type SealedKey,
  type SealedKeyFailure,
} from './sealed-key.ts';
import { beginGeneration, ownerGeneration } from './sealing-key.ts';

/** Seals every key that another root sealed anew with the first root. Killed at any point, a rerun does the rest. */
export async function rotateRoot(deps: RotateDeps): Promise<Rotation> {
  return await sealAnew(deps, ne(apiKeys.rootId, deps.roots[0].id));
}

/**
 * Begins a new generation of an owner's sealing key and seals the owner's keys anew with it.
 *
 * A run that was killed left keys on an older generation. The next run only finishes that and begins none of its own, or
 * every kill would use one up. Keys that do not open stay behind for ever and so do not count as unfinished.
 */
export async function rotateOwner(deps: RotateDeps, ownerId: string): Promise<OwnerRotation> {
  const newest = await ownerGeneration(deps.db, ownerId);
  const rest = await sealAnew(deps, olderThan(ownerId, newest));
  if (rest.resealed > 0) return { ...rest, type: 'finished-earlier', generation: newest };

  const generation = await beginGeneration(deps.db, ownerId, newest);
  const rotation = await sealAnew(deps, olderThan(ownerId, generation));
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

export interface OwnerRotation extends Rotation {
  /** Whether this run began the generation or only finished what an earlier one had begun. */
  type: 'begun' | 'finished-earlier';
  generation: number;
}

/** Goes through the unfinished rows until nobody changed one of them during a whole pass. */
async function sealAnew(deps: RotateDeps, unfinished: SQL | undefined): Promise<Rotation> {
  let resealed = 0;
  for (;;) {
    const pass = await sealAnewOnce(deps, unfinished);
    resealed += pass.resealed;
    if (pass.changedMeanwhile === 0) return { resealed, skipped: pass.skipped, failures: pass.failures };
  }
}

async function sealAnewOnce(deps: RotateDeps, unfinished: SQL | undefined) {
  const pass = { resealed: 0, skipped: 0, changedMeanwhile: 0, failures: [] as SealedKeyFailure[] };
  for await (const key of readSealedKeys(deps.db, unfinished)) {
    if (key.needsReentry) {
      pass.skipped += 1;
      continue;
    }
    try {
      if (await sealKeyAnew(deps, key)) pass.resealed += 1;
      else pass.changedMeanwhile += 1;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      pass.failures.push({ id: key.id, type: error.type });
    }
  }
  return pass;
}

/** False if somebody changed or removed the row since it was read; theirs stands. */
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

function olderThan(ownerId: string, generation: number): SQL | undefined {
  return and(eq(apiKeys.workspaceId, ownerId), lt(apiKeys.generation, generation));
}
