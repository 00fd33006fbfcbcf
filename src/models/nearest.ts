import { and, eq, exists, gte, inArray, isNull, or } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import type { Model } from './catalogue.ts';

/**
 * The other models in a workspace that some key offers: the replacement that the provider names, then those with the most
 * similar name first, without those whose context window is known to be smaller than `tokens`.
 */
export async function nearestModels(
  { db }: { db: Database },
  workspace: { id: string; teamId: string | null },
  requested: Model,
  tokens: number,
): Promise<Model[]> {
  const tenantIds = workspace.teamId === null ? [workspace.id] : [workspace.id, workspace.teamId];
  const offered = await db
    .select()
    .from(models)
    .where(
      and(
        exists(db.select().from(apiKeyModels).where(eq(apiKeyModels.modelId, models.id))),
        inArray(models.tenantId, tenantIds),
        or(isNull(models.contextWindow), gte(models.contextWindow, tokens)),
      ),
    );
  const pairs = pairsOf(requested.name);
  return (offered as Model[])
    .filter((model) => model.id !== requested.id)
    .map((model) => ({
      model,
      distance: isReplacement(model, requested)
        ? -1
        : distanceBetween(pairs, pairsOf(model.name)) + (model.provider === requested.provider ? 0 : 1),
    }))
    .sort((left, right) => left.distance - right.distance)
    .map(({ model }) => model);
}

/** Whether the provider's list names the model as the replacement of the other. */
function isReplacement(model: { provider: string; baseUrl: string; name: string }, replaced: Model): boolean {
  return (
    model.name === replaced.replacementName &&
    model.provider === replaced.provider &&
    model.baseUrl === replaced.baseUrl
  );
}

/** Distance of two names from 0 to 1, by the pairs of neighbouring letters they share (Dice coefficient). */
function distanceBetween(left: Set<string>, right: Set<string>): number {
  return 1 - (2 * left.intersection(right).size) / (left.size + right.size || 1);
}

function pairsOf(name: string): Set<string> {
  const letters = name.toLowerCase();
  const pairs = new Set<string>();
  for (let index = 0; index + 1 < letters.length; index++) pairs.add(letters.slice(index, index + 2));
  return pairs;
}
