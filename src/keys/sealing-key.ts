import { count, eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys, sealingGenerations } from '../db/tables/api-key.ts';
import { auditChains } from '../db/tables/audit.ts';
import type { Root } from './seal-record.ts';
import { type SealingKey, sealingKeyOf } from './submission.ts';

/** The key with which clients seal secrets for this owner. */
export async function findSealingKey(
  { db, roots }: { db: Database; roots: readonly [Root, ...Root[]] },
  ownerId: string,
): Promise<SealingKey> {
  return sealingKeyOf(roots[0], ownerId, await ownerGeneration(db, ownerId));
}

/** The owner's newest generation, counted from 1. */
export async function ownerGeneration(db: Pick<Database, 'select'>, ownerId: string): Promise<number> {
  const [row] = await db
    .select({ generation: sealingGenerations.generation })
    .from(sealingGenerations)
    .where(eq(sealingGenerations.ownerId, ownerId));
  return row?.generation ?? 1;
}

/** Begins the generation after `newest`, unless somebody else just did. Returns the owner's newest one. */
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

/**
 * Counts the saved keys under each root id, those of audit logs included and without those that have to be pasted again
 * anyway.
 */
export async function rowsByRootId(db: Pick<Database, 'select'>): Promise<Map<string, number>> {
  const keys = await db
    .select({ rootId: apiKeys.rootId, rows: count() })
    .from(apiKeys)
    .where(eq(apiKeys.needsReentry, false))
    .groupBy(apiKeys.rootId);
  const logs = await db
    .select({ rootId: auditChains.rootId, rows: count() })
    .from(auditChains)
    .groupBy(auditChains.rootId);
  const total = new Map<string, number>();
  for (const { rootId, rows } of [...keys, ...logs]) total.set(rootId, (total.get(rootId) ?? 0) + rows);
  return total;
}
