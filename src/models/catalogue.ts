import {
  and,
  count,
  eq,
  exists,
  getTableColumns,
  inArray,
  isNull,
  max,
  or,
  type SQL,
  type SQLWrapper,
  sql,
} from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { anyText } from '../db/prepared.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { teamMembers } from '../db/tables/team.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import type { AskedModel } from '../providers/options.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { SOON_MS } from './shutdown.ts';

/** A model that a workspace or team knows. Whether it can be called now depends on the keys. */
export type Model = Omit<typeof models.$inferSelect, 'provider'> & { provider: ProviderName };

/** The columns of a model that decide how it is asked. */
export type AskedFacts = Pick<Model, 'name' | 'maxOutputTokens' | 'capabilities' | 'optionFacts'>;

/** What decides how a model is asked. */
export function toAskedModel({ name, maxOutputTokens, capabilities, optionFacts }: AskedFacts): AskedModel {
  return { name, maxOutputTokens, capabilities, optionFacts };
}

/**
 * The models with these ids that the viewer may see: those of workspaces and teams the viewer is in, of others' own variants only
 * those that made an answer which the viewer may read.
 */
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
    .where(
      and(
        inArray(models.id, idsOf('mdl', ids)),
        or(exists(inWorkspace), exists(inTeam)),
        or(isForViewer(viewer), exists(answersFor(db, viewer))),
      ),
    )) as Model[];
}

/** A model of the workspace or its team that the viewer may see. Throws NotFoundError. */
export async function requireModelIn(
  deps: { db: Database },
  viewer: Viewer,
  workspace: Pick<Workspace, 'id' | 'teamId'>,
  id: string,
): Promise<Model> {
  const [model] = await findModels(deps, viewer, [id]);
  const isListed = model?.tenantId === workspace.id || model?.tenantId === workspace.teamId;
  if (model === undefined || !isListed) throw new NotFoundError('model in this workspace');
  return model;
}

/** Whether a model is no variant of another person's own. */
export function isForViewer(viewer: Viewer): SQL | undefined {
  return or(isNull(models.userId), eq(models.userId, viewer.id));
}

/** Answers by a model in threads of its workspace that a member may see. */
function answersFor(db: Database, viewer: Viewer) {
  return db
    .select()
    .from(messages)
    .innerJoin(threads, eq(threads.id, messages.threadId))
    .where(
      and(
        eq(messages.modelId, models.id),
        or(eq(threads.visibility, 'WORKSPACE'), eq(threads.createdBy, viewer.id)),
      ),
    );
}

/**
 * The query that resolves the model ids of the placeholder `modelIds` in a workspace. An id of the team's row leads to the
 * workspace's own row of the same model if there is one, so that the workspace's own keys come first with either id. Another
 * person's own variant can be asked only where it has answered.
 */
export function selectModelsInWorkspace(
  db: Database,
  workspace: { id: SQLWrapper; teamId: SQLWrapper },
  { viewerId, threadId }: { viewerId: SQL; threadId: SQL },
) {
  return db
    .select({ askedId: sql<string>`${asked.id}`.as('asked_id'), ...getTableColumns(models) })
    .from(asked)
    .leftJoin(
      own,
      and(
        eq(own.tenantId, workspace.id),
        eq(own.provider, asked.provider),
        eq(own.baseUrl, asked.baseUrl),
        eq(own.name, asked.name),
        // Not as parameters, which would give the statement a plan for each message.
        sql`${own.variantId} = '' and ${asked.variantId} = ''`,
      ),
    )
    .innerJoin(models, eq(models.id, sql`coalesce(${own.id}, ${asked.id})`))
    .where(
      and(
        isOneOf(asked.id, anyText('modelIds')),
        sql`${asked.tenantId} in (${workspace.id}, ${workspace.teamId})`,
        sql`(${asked.userId} is null or ${asked.userId} = ${viewerId} or exists (
          select from ${messages} where ${messages.modelId} = ${asked.id} and ${messages.threadId} = ${threadId}))`,
      ),
    );
}

/** What decides which models there are and what is shown of them, besides the keys. */
export interface ModelRevision {
  /** Changes whenever a person adds a model, a variant is created, changed or removed, or a shutdown comes near or passes. */
  revision: string;
  /** When the next shutdown comes near or passes; null for none ahead. */
  changesAt: Date | null;
}

/** The revision of the models of these tenants. */
export async function readModelRevision(
  { db }: { db: Database },
  tenantIds: readonly string[],
): Promise<ModelRevision> {
  const firstAfter = (moment: Date) =>
    sql`min(${models.shutdownAt}) filter (where ${models.shutdownAt} > ${sql.param(moment, models.shutdownAt)})`.mapWith(
      models.shutdownAt,
    );
  const now = new Date();
  const [row] = await db
    .select({
      total: count(),
      changedAt: max(models.updatedAt),
      nextToPass: firstAfter(now),
      nextToComeNear: firstAfter(new Date(now.getTime() + SOON_MS)),
    })
    .from(models)
    .where(inArray(models.tenantId, [...tenantIds]));
  const { nextToPass = null, nextToComeNear = null } = row ?? {};
  const ahead = [nextToPass, nextToComeNear && new Date(nextToComeNear.getTime() - SOON_MS)]
    .filter((moment) => moment !== null)
    .map((moment) => moment.getTime());
  return {
    revision: JSON.stringify(row),
    changesAt: ahead.length === 0 ? null : new Date(Math.min(...ahead)),
  };
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
