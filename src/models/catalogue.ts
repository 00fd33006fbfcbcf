import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf, newId } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { memberships } from '../db/tables/workspace.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { cleanModels } from './clean-models.ts';

/** Something a workspace can call. Whether it can be called now depends on its keys. */
export type Model = Omit<typeof models.$inferSelect, 'provider'> & { provider: ProviderName };

/** The models with these ids that the viewer may see: those of workspaces he is a member of. */
export async function findModels(
  { db }: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Model[]> {
  const rows = await db
    .select({ model: models })
    .from(models)
    .innerJoin(memberships, eq(memberships.workspaceId, models.workspaceId))
    .where(and(eq(memberships.userId, viewer.id), inArray(models.id, idsOf('mdl', ids))));
  return rows.map((row) => row.model as Model);
}

/** The models of a workspace in the order they became known, those without a usable key included. */
export async function listModels(
  { db }: { db: Database },
  workspace: Pick<Workspace, 'id'>,
  page: PageInput,
): Promise<Page<Model>> {
  return await readPage<Model>(page, {
    column: models.id,
    order: 'ascending',
    maxRows: MAX_MODELS,
    valueOf: (model) => model.id,
    read: async (conditions, orderBy, limit) =>
      (await db
        .select()
        .from(models)
        .where(and(eq(models.workspaceId, workspace.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit)) as Model[],
  });
}

/** The models that one key offers, in the provider's order. */
export async function modelsOfKey({ db }: { db: Database }, apiKeyId: string): Promise<Model[]> {
  const rows = await db
    .select({ model: models })
    .from(apiKeyModels)
    .innerJoin(models, eq(models.id, apiKeyModels.modelId))
    .where(eq(apiKeyModels.apiKeyId, apiKeyId))
    .orderBy(apiKeyModels.position);
  return rows.map((row) => row.model as Model);
}

/** Makes what the provider listed the models of this key: known ones keep their id, missing ones are no longer offered. */
export async function saveKeyModels(
  tx: Pick<Database, 'insert' | 'delete'>,
  key: { id: string; workspaceId: string; provider: ProviderName; baseUrl: string },
  listed: readonly ListedModel[],
): Promise<void> {
  await tx.delete(apiKeyModels).where(eq(apiKeyModels.apiKeyId, key.id));
  const clean = cleanModels(listed);
  if (clean.length === 0) return;
  const saved = await tx
    .insert(models)
    .values(
      inLockOrder(clean).map((model) => ({
        id: model.id,
        workspaceId: key.workspaceId,
        provider: key.provider,
        baseUrl: key.baseUrl,
        name: model.name,
        title: model.title,
        contextWindow: model.contextWindow,
        maxOutputTokens: model.maxOutputTokens,
        capabilities: model.capabilities,
        inputPrice: model.price?.input ?? null,
        outputPrice: model.price?.output ?? null,
        cachedInputPrice: model.price?.cachedInput ?? null,
      })),
    )
    .onConflictDoUpdate({
      target: [models.workspaceId, models.provider, models.baseUrl, models.name],
      set: {
        title: sql`excluded.title`,
        contextWindow: sql`excluded.context_window`,
        maxOutputTokens: sql`excluded.max_output_tokens`,
        capabilities: sql`excluded.capabilities`,
        inputPrice: sql`excluded.input_price`,
        outputPrice: sql`excluded.output_price`,
        cachedInputPrice: sql`excluded.cached_input_price`,
      },
    })
    .returning({ id: models.id, name: models.name });
  const positions = new Map(clean.map((model, position) => [model.name, position]));
  await tx
    .insert(apiKeyModels)
    .values(
      saved.map(({ id, name }) => ({ apiKeyId: key.id, modelId: id, position: positions.get(name) ?? 0 })),
    );
}

/**
 * Two refreshes may list the same models in different orders; rows are locked by name, so that neither waits for the other.
 * Ids are given before, in the provider's order.
 */
function inLockOrder(listed: readonly ListedModel[]) {
  return listed
    .map((model) => ({ ...model, id: newId('mdl') }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

const MAX_MODELS = 500; // gateways list hundreds, and a model selector wants them all
