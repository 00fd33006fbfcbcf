import { and, asc, eq, gt, type SQL } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { readInBatches } from '../db/read-in-batches.ts';
import { auditChains } from '../db/tables/audit.ts';
import {
  keyedHash,
  openRecord,
  type RecordContext,
  type RootKey,
  resealRecord,
  sealRecord,
} from '../vault/seal.ts';

/** What the audit log of one tenant hangs on: its sealed key, how many entries it has and the hash of the last one. */
export type Chain = typeof auditChains.$inferSelect;

/** A chain's row as far as it takes part in sealing. */
export type SealedChain = Omit<Chain, 'length' | 'head'>;

/**
 * The hash of an entry. Only who holds the chain's key can make it, and each rests on the one before: an entry cannot be
 * changed, moved, left out or put in without the key. `previous` is the hash before it.
 */
export function entryHash(
  chainKey: Uint8Array,
  previous: Uint8Array,
  { tenantId, position, content }: { tenantId: string; position: number; content: string },
): Uint8Array {
  return keyedHash(chainKey, 'latchkey/audit-entry/v1', previous, tenantId, position, content);
}

/** What stands for the hash before the first entry. */
export const FIRST_HEAD: Uint8Array = new Uint8Array(32);

/**
 * Makes the random key of a new chain and seals it. It stays the same for as long as there is the chain. That is why a new
 * root key only seals it again, and a new generation of its tenant's sealing key leaves it alone: an older generation can
 * always be derived again, and an older copy of the row would hold the same key anyway.
 */
export function sealChainKey(root: RootKey, tenantId: string): Omit<SealedChain, 'tenantId'> {
  const chainKey = crypto.getRandomValues(new Uint8Array(32));
  const place = { generation: 1, version: 1 };
  try {
    return { ...place, ...sealRecord(root, chainContext({ tenantId, ...place }), chainKey) };
  } finally {
    chainKey.fill(0);
  }
}

/** The key of a chain. The caller wipes the bytes. Throws SealError as `openRecord` does. */
export function openChainKey(rootKeys: readonly RootKey[], chain: SealedChain): Uint8Array {
  return openRecord(rootKeys, chainContext(chain), chain);
}

/** Seals the key of a chain with the first root key. False if the row was changed since it was read. Throws SealError. */
export async function resealChain(
  { db, rootKeys }: { db: Pick<Database, 'update'>; rootKeys: readonly [RootKey, ...RootKey[]] },
  chain: SealedChain,
): Promise<boolean> {
  const { tenantId, generation } = chain;
  const version = chain.version + 1;
  const record = resealRecord(rootKeys, chainContext(chain), chain, { generation, version });
  const updated = await db
    .update(auditChains)
    .set({ ...record, version })
    .where(and(eq(auditChains.tenantId, tenantId), eq(auditChains.version, chain.version)))
    .returning({ tenantId: auditChains.tenantId });
  return updated.length > 0;
}

/** Reads the chains that meet the condition, by tenant. One that comes to meet it behind the place reached is missed. */
export function readSealedChains(
  db: Pick<Database, 'select'>,
  condition: SQL | undefined,
): AsyncGenerator<SealedChain> {
  return readInBatches(
    ({ tenantId }) => tenantId,
    (lastId, rows) =>
      db
        .select(sealedChainColumns)
        .from(auditChains)
        .where(and(condition, lastId === undefined ? undefined : gt(auditChains.tenantId, lastId)))
        .orderBy(asc(auditChains.tenantId))
        .limit(rows),
  );
}

/** No provider key has these, so none can be passed off as a chain's, nor the other way round. */
function chainContext({
  tenantId,
  generation,
  version,
}: Pick<SealedChain, 'tenantId' | 'generation' | 'version'>): RecordContext {
  return { tenantId, apiKeyId: 'audit', provider: 'audit', baseUrl: '', generation, version };
}

const sealedChainColumns = {
  tenantId: auditChains.tenantId,
  rootId: auditChains.rootId,
  generation: auditChains.generation,
  version: auditChains.version,
  ciphertext: auditChains.ciphertext,
  tag: auditChains.tag,
};
