import { openChainKey, readSealedChains } from '../audit/chain.ts';
import type { Database } from '../db/database.ts';
import { type Root, SealError } from './seal-record.ts';
import { openSealedKey, readSealedKeys, type SealedKeyFailure } from './sealed-key.ts';

/** Opens every saved key and the key of every audit log with the given root keys, changing nothing. */
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

  function tryOpen(id: string, row: SealedBy, counted: 'keys' | 'logs', open: () => Uint8Array): void {
    try {
      open().fill(0);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      failures.push({ id, type: error.type });
      return;
    }
    const { rootId, generation } = row;
    const group = opened.get(`${rootId}.${generation}`) ?? { rootId, generation, keys: 0, logs: 0 };
    group[counted] += 1;
    opened.set(`${rootId}.${generation}`, group);
  }

  for await (const key of readSealedKeys(db, undefined)) {
    if (key.needsReentry) skipped += 1;
    else tryOpen(key.id, key, 'keys', () => openSealedKey(roots, key));
  }
  for await (const chain of readSealedChains(db, undefined))
    tryOpen(chain.ownerId, chain, 'logs', () => openChainKey(roots, chain));
  return { opened: [...opened.values()].sort(byRootThenGeneration), skipped, failures };
}

export interface Verification {
  /** What opens, counted by what sealed it. */
  opened: OpenedKeys[];
  /** How many were not tried because their secret has to be pasted again anyway. */
  skipped: number;
  failures: SealedKeyFailure[];
}

export interface OpenedKeys extends SealedBy {
  /** How many provider keys. */
  keys: number;
  /** How many audit logs. */
  logs: number;
}

interface SealedBy {
  rootId: string;
  generation: number;
}

function byRootThenGeneration(left: OpenedKeys, right: OpenedKeys): number {
  if (left.rootId !== right.rootId) return left.rootId < right.rootId ? -1 : 1;
  return left.generation - right.generation;
}
