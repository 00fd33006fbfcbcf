import type { Database } from '../db/database.ts';
import { type Root, SealError } from './seal-record.ts';
import { openSealedKey, readSealedKeys, type SealedKeyFailure } from './sealed-key.ts';

/** Opens every saved key with the given root keys, changing nothing. */
export async function verifyKeys({
  db,
  roots,
}: {
  db: Database;
  roots: readonly Root[];
}): Promise<Verification> {
  const opened = new Map<string, OpenedKeys>();
  const failures: SealedKeyFailure[] = [];
  let skipped = 0;
  for await (const key of readSealedKeys(db, undefined)) {
    if (key.needsReentry) {
      skipped += 1;
      continue;
    }
    try {
      openSealedKey(roots, key).fill(0);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      failures.push({ id: key.id, type: error.type });
      continue;
    }
    const group = `${key.rootId}.${key.generation}`;
    const keys = (opened.get(group)?.keys ?? 0) + 1;
    opened.set(group, { rootId: key.rootId, generation: key.generation, keys });
  }
  return { opened: [...opened.values()].sort(byRootThenGeneration), skipped, failures };
}

export interface Verification {
  /** The keys that open, counted by what sealed them. */
  opened: OpenedKeys[];
  /** How many were not tried because their secret has to be pasted again anyway. */
  skipped: number;
  failures: SealedKeyFailure[];
}

export interface OpenedKeys {
  rootId: string;
  generation: number;
  keys: number;
}

function byRootThenGeneration(left: OpenedKeys, right: OpenedKeys): number {
  if (left.rootId !== right.rootId) return left.rootId < right.rootId ? -1 : 1;
  return left.generation - right.generation;
}
