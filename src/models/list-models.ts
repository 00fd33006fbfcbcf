import { and, eq, not, notExists, or, type SQL } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { models } from '../db/tables/model.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { type AskedFacts, isForViewer, type Model } from './catalogue.ts';
import { isFavorite, isHidden, type ModelPreference } from './preference.ts';

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

/** What decides whether a model is wanted in a list, and its place there. */
export interface ChoosableModel
  extends Pick<Model, 'id' | 'provider' | 'baseUrl' | 'title' | 'baseModelId'>,
    AskedFacts,
    ModelPreference {}

/** All models of the list for a viewer, with those that are hidden, in the order they became known. */
export async function readChoosableModels(
  { db }: { db: Database },
  viewer: Viewer,
  workspace: ListingWorkspace,
): Promise<ChoosableModel[]> {
  const { id, provider, baseUrl, title, baseModelId } = models;
  const { name, maxOutputTokens, capabilities, optionFacts } = models;
  const asked = { name, maxOutputTokens, capabilities, optionFacts };
  const preference = { isFavorite: isFavorite(viewer), isHidden: isHidden(viewer) };
  const rows = await db
    .select({ id, provider, baseUrl, title, baseModelId, ...asked, ...preference })
    .from(models)
    .where(and(isListedIn(db, workspace), isForViewer(viewer)))
    .orderBy(models.id);
  return rows as ChoosableModel[];
}

/** The models with these ids, in their order; those that are gone are left out. The caller has found them in a list. */
export async function readModelsById({ db }: { db: Database }, ids: readonly string[]): Promise<Model[]> {
  const rows = ids.length === 0 ? [] : await db.select().from(models).where(isOneOf(models.id, ids));
  const byId = new Map(rows.map((row) => [row.id, row as Model]));
  return ids.flatMap((id) => byId.get(id) ?? []);
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
