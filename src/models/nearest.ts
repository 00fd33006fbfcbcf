import { eq, inArray } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import type { Model } from './catalogue.ts';

/** Ids of the other models in a workspace that some key offers, those of the most similar name first. */
export async function nearestModels(
  { db }: { db: Database },
  workspace: { id: string; teamId: string | null },
  wanted: Model,
): Promise<string[]> {
  const ownerIds = workspace.teamId === null ? [workspace.id] : [workspace.id, workspace.teamId];
  const offered = await db
    .selectDistinct({ id: models.id, name: models.name, provider: models.provider })
    .from(models)
    .innerJoin(apiKeyModels, eq(apiKeyModels.modelId, models.id))
    .where(inArray(models.ownerId, ownerIds));
  return offered
    .filter((model) => model.id !== wanted.id)
    .map((model) => ({ id: model.id, distance: distanceBetween(model, wanted) }))
    .sort((left, right) => left.distance - right.distance)
    .map((model) => model.id);
}

/** The fewer pairs of neighbouring letters two names share, the further apart; another provider is further still. */
function distanceBetween(left: Pick<Model, 'name'> & { provider: string }, right: Model): number {
  const leftPairs = pairsOf(left.name);
  const rightPairs = pairsOf(right.name);
  const shared = [...leftPairs].filter((pair) => rightPairs.has(pair)).length;
  const likeness = (2 * shared) / (leftPairs.size + rightPairs.size || 1);
  return 1 - likeness + (left.provider === right.provider ? 0 : 1);
}

function pairsOf(name: string): Set<string> {
  const pairs = new Set<string>();
  for (let index = 0; index + 1 < name.length; index++) pairs.add(name.slice(index, index + 2).toLowerCase());
  return pairs;
}
