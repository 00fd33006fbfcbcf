import { and, eq, not, notExists, or, type SQL } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { models } from '../db/tables/model.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { isForViewer, type Model } from './catalogue.ts';
import { isFavorite, isHidden } from './preference.ts';

/** The models of a workspace that its members can choose from: those of the workspace and of its team. */
type ListingWorkspace = Pick<Workspace, 'id' | 'teamId'>;

/**
 * The models of a workspace in the order they became known, including those without a usable key, but not those that are hidden
 * from the viewer. A model that its team has too is listed once: the workspace's own keys come first, and the team's pay for it
 * when those cannot.
 */
export async function listModelsByAge(
  { db }: { db: Database },
  viewer: Viewer,
  workspace: ListingWorkspace,
  page: PageInput,
  order: 'ascending' | 'descending',
): Promise<Page<Model>> {
  const isShown = and(isListedIn(db, workspace), isForViewer(viewer), not(isHidden(viewer)));
  return await readModels(db, isShown, page, order);
}

/** The same list with what is hidden and with the own variants of all members. The caller decides what each may see. */
export async function listModelsOfAll(
  { db }: { db: Database },
  workspace: ListingWorkspace,
  page: PageInput,
): Promise<Page<Model>> {
  return await readModels(db, isListedIn(db, workspace), page, 'ascending');
}

/** A model as it is shown to a viewer. */
export type PreferredModel = Model & { isFavorite: boolean; isHidden: boolean };

/** All models of the list for a viewer, with those that are hidden, in the order they became known. */
export async function readPreferredModels(
  { db }: { db: Database },
  viewer: Viewer,
  workspace: ListingWorkspace,
): Promise<PreferredModel[]> {
  const rows = await db
    .select({ model: models, isFavorite: isFavorite(viewer), isHidden: isHidden(viewer) })
    .from(models)
    .where(and(isListedIn(db, workspace), isForViewer(viewer)))
    .orderBy(models.id);
  return rows.map(({ model, ...preferred }) => ({ ...(model as Model), ...preferred }));
}

async function readModels(
  db: Database,
  isWanted: SQL | undefined,
  page: PageInput,
  order: 'ascending' | 'descending',
): Promise<Page<Model>> {
  return await readPage<Model>(page, {
    column: models.id,
    order,
    maxRows: MAX_MODELS,
    valueOf: (model) => model.id,
    read: async (conditions, orderBy, limit) =>
      (await db
        .select()
        .from(models)
        .where(and(isWanted, ...conditions))
        .orderBy(orderBy)
        .limit(limit)) as Model[],
  });
}

function isListedIn(db: Database, workspace: ListingWorkspace): SQL | undefined {
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
        eq(own.variantId, ''),
      ),
    );
  return or(isOwn, and(eq(models.teamId, workspace.teamId), notExists(sameOfWorkspace)));
}

const own = alias(models, 'own');

export const MAX_MODELS = 500; // gateways list hundreds, and a model selector needs them all
