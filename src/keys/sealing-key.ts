import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { sealingGenerations } from '../db/tables/api-key.ts';
import { type SealingKey, sealingKeyOf } from '../vault/client-box.ts';
import type { RootKey } from '../vault/seal.ts';

/** The key with which clients seal secrets for this owner. */
export async function findSealingKey(
  { db, rootKeys }: { db: Database; rootKeys: readonly [RootKey, ...RootKey[]] },
  ownerId: string,
): Promise<SealingKey> {
  return sealingKeyOf(rootKeys[0], ownerId, await ownerGeneration(db, ownerId));
}

/** The owner's newest generation, counted from 1. */
export async function ownerGeneration(db: Pick<Database, 'select'>, ownerId: string): Promise<number> {
  const [row] = await db
    .select({ generation: sealingGenerations.generation })
    .from(sealingGenerations)
    .where(eq(sealingGenerations.ownerId, ownerId));
  return row?.generation ?? 1;
}

/** Begins the generation after `newest`, unless another process has just begun it. Returns the owner's newest one. */
export async function beginGeneration(
  db: Pick<Database, 'select' | 'insert'>,
  ownerId: string,
  newest: number,
): Promise<number> {
  await db
    .insert(sealingGenerations)
    .values({ ownerId, generation: newest + 1 })
    .onConflictDoUpdate({
      target: sealingGenerations.ownerId,
      set: { generation: newest + 1 },
      setWhere: eq(sealingGenerations.generation, newest),
    });
  return await ownerGeneration(db, ownerId);
}
