import { and, eq, ne, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { models } from '../db/tables/model.ts';

/** How far the shutdown of a model is: more than thirty days away or not announced, near, or past. */
export function shutdownPhase(shutdownAt: Date | null, now: Date): 'none' | 'soon' | 'past' {
  if (shutdownAt === null || shutdownAt.getTime() - now.getTime() > SOON_MS) return 'none';
  return shutdownAt > now ? 'soon' : 'past';
}

/** How long before its time a shutdown is told: enough to try another model, and not so long that it is forgotten. */
export const SOON_MS = 30 * 24 * 60 * 60_000;

/**
 * Ids of the models that the provider's list names as replacements of these, by model id: of the same tenant and place. Absent
 * where none is named or the named one is not known.
 */
export async function findReplacementIds(
  { db }: { db: Database },
  modelIds: readonly string[],
): Promise<Map<string, string>> {
  const rows = await db
    .select({ id: replaced.id, replacementId: models.id })
    .from(replaced)
    // A variant is of a workspace, and the model that it is made from may be of its team.
    .innerJoin(base, eq(base.id, sql`coalesce(${replaced.baseModelId}, ${replaced.id})`))
    .innerJoin(
      models,
      and(
        eq(models.tenantId, base.tenantId),
        eq(models.provider, base.provider),
        eq(models.baseUrl, base.baseUrl),
        eq(models.name, base.replacementName),
        sql`${models.variantId} = ''`,
        ne(models.id, base.id),
      ),
    )
    .where(isOneOf(replaced.id, modelIds));
  return new Map(rows.map(({ id, replacementId }) => [id, replacementId]));
}

const base = alias(models, 'base');
const replaced = alias(models, 'replaced');
