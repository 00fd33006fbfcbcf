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

/** The row of one tenant's audit log: its sealed key, the number of its entries and the hash of the last one. */
export type Chain = typeof auditChains.$inferSelect;

/** The columns of a chain that sealing uses. */
export type SealedChain = Omit<Chain, 'length' | 'head'>;

/**
 * The keyed hash of an entry. It covers the hash of the entry before, `previous`, so that without the chain's key no entry can
 * be changed, moved, removed or inserted.
 */
export function entryHash(
  chainKey: Uint8Array,
  previous: Uint8Array,
  { tenantId, position, content }: { tenantId: string; position: number; content: string },
): Uint8Array {
  return keyedHash(chainKey, 'latchkey/audit-entry/v1', previous, tenantId, position, content);
}

/** The `previous` of the first entry. */
export const FIRST_HEAD: Uint8Array = new Uint8Array(32);

/**
 * Makes the random key of a new chain and seals it. The key stays the same as long as the chain exists. So a rotation of the
 * root key only seals it again, and a new generation of the tenant's sealing key leaves it alone: an older generation can
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

/** Seals the key of a chain again with the first root key. False if the row was changed since it was read. Throws SealError. */
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

/** Reads the chains that meet the condition, by tenant. A chain behind the cursor that meets it only later is missed. */
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

/** No provider key has these values, so its record does not open as a chain's key, nor the other way round. */
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
