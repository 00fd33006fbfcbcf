import { and, eq, inArray, isNull, or, type SQL, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { modelPreferences, models } from '../db/tables/model.ts';
import { lockAndAuthorizeTenant } from '../workspaces/tenant.ts';
import { requireWorkspace } from '../workspaces/workspace.ts';
import { type Model, requireModelIn } from './catalogue.ts';

/** How a model is shown to a person: as they set it themselves, else as an ADMIN set it for everybody. */
export interface ModelPreference {
  isFavorite: boolean;
  isHidden: boolean;
}

/**
 * Saves whether a model is a favourite or hidden, for the viewer or, by an ADMIN of the workspace or team that the model belongs
 * to, for everybody. Fields that are left out stay as they are; null removes the preference.
 */
export async function setModelPreference(
  deps: { db: Database; changes: Changes },
  viewer: Viewer,
  input: {
    workspaceId: string;
    modelId: string;
    isFavorite?: boolean | null | undefined;
    isHidden?: boolean | null | undefined;
    forEverybody?: boolean | null | undefined;
  },
): Promise<Model> {
  const workspace = await requireWorkspace(deps, viewer, input.workspaceId, 'read');
  const model = await requireModelIn(deps, viewer, workspace, input.modelId);
  const { isFavorite, isHidden } = input;
  const forEverybody = input.forEverybody === true;
  const whose = forEverybody
    ? { userId: null, forWhom: EVERYBODY }
    : { userId: viewer.id, forWhom: viewer.id };
  await deps.db.transaction(async (tx) => {
    if (forEverybody) await lockAndAuthorizeTenant(tx, viewer, model, 'manageModels');
    await tx
      .insert(modelPreferences)
      .values({ modelId: model.id, ...whose, isFavorite, isHidden })
      .onConflictDoUpdate({
        target: [modelPreferences.modelId, modelPreferences.forWhom],
        // An undefined column keeps its value.
        set: { modelId: model.id, isFavorite, isHidden },
      });
  });
  deps.changes.announce(forEverybody ? model.tenantId : viewer.id, [model.id]);
  return model;
}

/** How these models are shown to the viewer, by model id. */
export async function findPreferences(
  { db }: { db: Database },
  viewer: Viewer,
  modelIds: readonly string[],
): Promise<Map<string, ModelPreference>> {
  const rows = await db
    .select({ id: models.id, isFavorite: isFavorite(viewer), isHidden: isHidden(viewer) })
    .from(models)
    .where(isOneOf(models.id, modelIds));
  return new Map(rows.map(({ id, ...preference }) => [id, preference]));
}

/** All preferences that count for a viewer among the models of these tenants, always in one order. */
export async function readPreferences(
  { db }: { db: Database },
  viewer: Viewer,
  tenantIds: readonly string[],
): Promise<{ modelId: string; forWhom: string; isFavorite: boolean | null; isHidden: boolean | null }[]> {
  const { modelId, forWhom } = modelPreferences;
  return await db
    .select({
      modelId,
      forWhom,
      isFavorite: modelPreferences.isFavorite,
      isHidden: modelPreferences.isHidden,
    })
    .from(modelPreferences)
    .innerJoin(models, eq(models.id, modelId))
    .where(
      and(
        inArray(models.tenantId, [...tenantIds]),
        or(isNull(modelPreferences.userId), eq(modelPreferences.userId, viewer.id)),
      ),
    )
    .orderBy(modelId, forWhom);
}

/** Whether a row of `models` is a favourite of the viewer. */
export function isFavorite(viewer: Viewer): SQL<boolean> {
  return preferred('is_favorite', viewer);
}

/** Whether a row of `models` is hidden from the viewer. */
export function isHidden(viewer: Viewer): SQL<boolean> {
  return preferred('is_hidden', viewer);
}

function preferred(column: 'is_favorite' | 'is_hidden', { id }: Viewer): SQL<boolean> {
  const setFor = (forWhom: string) => sql`(
    select ${sql.identifier(column)} from ${modelPreferences}
    where ${modelPreferences.modelId} = ${models.id} and ${modelPreferences.forWhom} = ${forWhom})`;
  return sql<boolean>`coalesce(${setFor(id)}, ${setFor(EVERYBODY)}, false)`;
}

const EVERYBODY = 'everybody';
