import {
  and,
  asc,
  eq,
  exists,
  getTableColumns,
  inArray,
  notExists,
  or,
  type SQLWrapper,
  sql,
} from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { anyText } from '../db/prepared.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { teamMembers } from '../db/tables/team.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import type { AskedModel } from '../providers/options.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Workspace } from '../workspaces/workspace.ts';

/** A model that a workspace or team knows. Whether it can be called now depends on the keys. */
export type Model = Omit<typeof models.$inferSelect, 'provider'> & { provider: ProviderName };

/** What decides how a model is asked. */
export function toAskedModel({ name, maxOutputTokens, capabilities, optionFacts }: Model): AskedModel {
  return { name, maxOutputTokens, capabilities, optionFacts };
}

/** The models with these ids that the viewer may see: those of workspaces and teams the viewer is in. */
export async function findModels(
  { db }: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Model[]> {
  const inWorkspace = db
    .select()
    .from(workspaceMembers)
    .where(and(eq(workspaceMembers.workspaceId, models.workspaceId), eq(workspaceMembers.userId, viewer.id)));
  const inTeam = db
    .select()
    .from(teamMembers)
    .where(and(eq(teamMembers.teamId, models.teamId), eq(teamMembers.userId, viewer.id)));
  return (await db
    .select()
    .from(models)
    .where(and(inArray(models.id, idsOf('mdl', ids)), or(exists(inWorkspace), exists(inTeam))))) as Model[];
}

/**
 * The models of a workspace in the order they became known, including those without a usable key. A model that its team has
 * too is listed once: the workspace's own keys come first, and the team's pay for it when those cannot.
 */
export async function listModels(
  { db }: { db: Database },
  workspace: Pick<Workspace, 'id' | 'teamId'>,
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
        .where(and(isListedIn(db, workspace), ...conditions))
        .orderBy(orderBy)
        .limit(limit)) as Model[],
  });
}

function isListedIn(db: Database, workspace: Pick<Workspace, 'id' | 'teamId'>) {
  const isOwn = eq(models.workspaceId, workspace.id);
  if (workspace.teamId === null) return isOwn;
  const sameOfWorkspace = db
    .select()
    .from(own)
    .where(
      and(
        eq(own.tenantId, workspace.id),
        eq(own.provider, models.provider),
        eq(own.baseUrl, models.baseUrl),
        eq(own.name, models.name),
      ),
    );
  return or(isOwn, and(eq(models.teamId, workspace.teamId), notExists(sameOfWorkspace)));
}

/**
 * The query that resolves the model ids of the placeholder `modelIds` in a workspace. An id of the team's row leads to the
 * workspace's own row of the same model if there is one, so that the workspace's own keys come first with either id.
 */
export function selectModelsInWorkspace(db: Database, workspace: { id: SQLWrapper; teamId: SQLWrapper }) {
  const isOfWorkspace = (tenantId: SQLWrapper) => sql`${tenantId} in (${workspace.id}, ${workspace.teamId})`;
  return db
    .selectDistinctOn([asked.id], {
      askedId: sql<string>`${asked.id}`.as('asked_id'),
      ...getTableColumns(models),
    })
    .from(asked)
    .innerJoin(
      models,
      and(
        isOfWorkspace(models.tenantId),
        eq(models.provider, asked.provider),
        eq(models.baseUrl, asked.baseUrl),
        eq(models.name, asked.name),
      ),
    )
    .where(and(isOneOf(asked.id, anyText('modelIds')), isOfWorkspace(asked.tenantId)))
    .orderBy(asked.id, asc(sql`${models.teamId} is not null`));
}

/** The models that one key offers: those that the provider lists, in its order, then those that a person added. */
export async function modelsOfKey({ db }: { db: Database }, apiKeyId: string): Promise<Model[]> {
  const rows = await db
    .select({ model: models })
    .from(apiKeyModels)
    .innerJoin(models, eq(models.id, apiKeyModels.modelId))
    .where(eq(apiKeyModels.apiKeyId, apiKeyId))
    .orderBy(apiKeyModels.position, apiKeyModels.modelId); // those that are not listed come last
  return rows.map((row) => row.model as Model);
}

const asked = alias(models, 'asked');
const own = alias(models, 'own');

const MAX_MODELS = 500; // gateways list hundreds, and a model selector needs them all
