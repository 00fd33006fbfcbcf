import { eq } from 'drizzle-orm';
import type { Database } from './database.ts';
import { sealingGenerations } from './tables/api-key.ts';

/** The newest generation of a tenant's sealing key pair, counted from 1. */
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
