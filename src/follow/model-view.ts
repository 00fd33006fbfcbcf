import { hash } from 'node:crypto';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import type { Page } from '../db/page.ts';
import { type KeyState, readKeyStates } from '../keys/api-key.ts';
import { findAvailability, type ModelAvailability } from '../keys/availability.ts';
import { type Model, type ModelRevision, readModelRevision } from '../models/catalogue.ts';
import { listModelsOfAll } from '../models/list-models.ts';
import { shutdownPhase } from '../models/shutdown.ts';
import { findTeams } from '../workspaces/team.ts';
import type { Tenant } from '../workspaces/tenant.ts';
import { findWorkspaces, type Workspace } from '../workspaces/workspace.ts';
import type { ModelFacts, ModelView } from './model-view-cache.ts';

interface ReadDeps {
  db: Database;
}

/**
 * Reads the models of a workspace in one snapshot: otherwise a key that is switched off and on between two reads could be missed
 * for ever.
 */
export async function readModelView(
  { db }: ReadDeps,
  viewer: Viewer,
  workspace: Workspace,
): Promise<ModelView> {
  return await db.transaction(
    async (tx) => {
      const deps = { db: tx };
      const [current = workspace] = await findWorkspaces(deps, viewer, [workspace.id]);
      const tenants = await tenantsOf(deps, viewer, current);
      const tenantIds = tenants.map(({ id }) => id);
      const keys = await readKeyStates(deps, tenants);
      const offered = offeredBy(keys, await readModelRevision(deps, tenantIds));
      return { offered, ...(await readFingerprints(deps, current, keys)) };
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  );
}

async function readFingerprints(
  deps: ReadDeps,
  workspace: Workspace,
  keys: readonly KeyState[],
): Promise<Omit<ModelView, 'offered'>> {
  const models = new Map<string, string>();
  const facts = new Map<string, ModelFacts>();
  const listedAddresses = new Set(
    keys.filter(({ modelsRefreshedAt }) => modelsRefreshedAt !== null).map(addressOf),
  );
  const now = new Date();
  for (let after: string | null = null; ; ) {
    const page: Page<Model> = await listModelsOfAll(deps, workspace, { first: MODELS_AT_ONCE, after });
    const offers = await findAvailability(
      deps,
      page.rows.map(({ id }) => id),
    );
    for (const model of page.rows) {
      const offer = offers.get(model.id) ?? null;
      const known = factsOf(model, offer, listedAddresses.has(addressOf(model)), now);
      const use = offer?.isAvailable === true ? offer.paidBy : (offer?.code ?? null);
      models.set(model.id, fingerprint([shownOf(model), use, known.shutdown]));
      facts.set(model.id, known);
    }
    const last = page.rows.at(-1);
    if (!page.hasNextPage || last === undefined) return { models, facts };
    after = page.cursorOf(last);
  }
}

function factsOf(
  model: Model,
  offer: ModelAvailability | null,
  isAddressListed: boolean,
  now: Date,
): ModelFacts {
  const { id, provider, baseUrl, name, title, baseModelId, variantId, userId } = model;
  const { shutdownAt, replacementName } = model;
  const shutdown = shutdownPhase(shutdownAt, now);
  const isListed = offer !== null && offer.apiKeyIds.length > 0;
  const isAvailable = offer?.isAvailable === true;
  return {
    ...{ id, provider, baseUrl, name, title, baseModelId, variantId, userId },
    ...{ shutdownAt, replacementName, shutdown, isAvailable },
    isOffered: isListed && (isAvailable || shutdown !== 'past'),
    isDelisted: !isListed && isAddressListed,
  };
}

function addressOf({ provider, baseUrl }: { provider: string; baseUrl: string }): string {
  return `${provider} ${baseUrl}`;
}

/**
 * The fingerprint of everything that decides which models there are and which can be asked, keys that the viewer may not manage
 * included.
 */
export function offeredBy(keys: readonly KeyState[], { revision }: ModelRevision): string {
  return fingerprint([
    revision,
    ...keys.map(({ id, position, status, baseUrl, modelsRefreshedAt }) => [
      id,
      position,
      status,
      baseUrl,
      modelsRefreshedAt,
    ]),
  ]);
}

/** The tenants whose keys the workspace uses: itself and its team. */
export async function tenantsOf(deps: ReadDeps, viewer: Viewer, workspace: Workspace): Promise<Tenant[]> {
  if (workspace.teamId === null) return [workspace];
  return [workspace, ...(await findTeams(deps, viewer, [workspace.teamId]))];
}

/** What a client can see of a model. */
function shownOf({ id, tenantId, workspaceId, teamId, createdAt, ...shown }: Model) {
  return shown;
}

/** A short text that differs for other facts. */
export function fingerprint(facts: unknown): string {
  return hash('sha256', JSON.stringify(facts), 'base64url').slice(0, FINGERPRINT_LENGTH);
}

const FINGERPRINT_LENGTH = 16; // 96 bits, so that collisions are negligible
const MODELS_AT_ONCE = 500;
