import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { sealingGenerations } from '../db/tables/api-key.ts';
import { type SealingKey, sealingKeyOf } from '../vault/client-box.ts';
import type { RootKey } from '../vault/seal.ts';

/** The key with which clients seal secrets for this tenant. */
export async function findSealingKey(
  { db, rootKeys }: { db: Database; rootKeys: readonly [RootKey, ...RootKey[]] },
  tenantId: string,
): Promise<SealingKey> {
  return sealingKeyOf(rootKeys[0], tenantId, await tenantGeneration(db, tenantId));
}

/** The tenant's newest generation, counted from 1. */
export async function tenantGeneration(db: Pick<Database, 'select'>, tenantId: string): Promise<number> {
  const [row] = await db
    .select({ generation: sealingGenerations.generation })
    .from(sealingGenerations)
    .where(eq(sealingGenerations.tenantId, tenantId));
  return row?.generation ?? 1;
}

/** Begins the generation after `newest`, unless another process has just begun it. Returns the tenant's newest one. */
export async function beginGeneration(
  db: Pick<Database, 'select' | 'insert'>,
  tenantId: string,
  newest: number,
): Promise<number> {
  await db
    .insert(sealingGenerations)
    .values({ tenantId, generation: newest + 1 })
    .onConflictDoUpdate({
      target: sealingGenerations.tenantId,
      set: { generation: newest + 1 },
      setWhere: eq(sealingGenerations.generation, newest),
    });
  return await tenantGeneration(db, tenantId);
}
