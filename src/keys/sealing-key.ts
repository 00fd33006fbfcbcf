import type { Database } from '../db/database.ts';
import { tenantGeneration } from '../db/sealing-generation.ts';
import { type SealingKey, sealingKeyOf } from '../vault/client-box.ts';
import type { RootKey } from '../vault/seal.ts';

/** The key with which clients seal secrets for this tenant. */
export async function findSealingKey(
  { db, rootKeys }: { db: Database; rootKeys: readonly [RootKey, ...RootKey[]] },
  tenantId: string,
): Promise<SealingKey> {
  return sealingKeyOf(rootKeys[0], tenantId, await tenantGeneration(db, tenantId));
}
