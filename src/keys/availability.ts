import { and, asc, eq, type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { AnswerErrorCode } from '../answer-error.ts';
import type { Database } from '../db/database.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { apiKeyModels, models } from '../db/tables/model.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { shutdownPhase } from '../models/shutdown.ts';
import { mayDo } from '../workspaces/permissions.ts';
import { planOfKey } from '../workspaces/plan.ts';
import type { Tenant } from '../workspaces/tenant.ts';
import type { KeyScope } from './api-key.ts';
import { isUsable, type KeyStatus, statusOnPlan } from './status.ts';

/** Whether a model can be asked now: the key that would pay, or why there is none. `apiKeyIds` are all keys that list it. */
export type ModelAvailability = { apiKeyIds: string[] } & (
  | {
      isAvailable: true;
      apiKeyId: string;
      keyTenantId: string;
      paidBy: KeyScope;
      chosen: Candidate;
      fallbackKeys: FallbackKey[];
    }
  | { isAvailable: false; code: AnswerErrorCode }
);

/** Another key of the tenant that pays, to go on with if the provider refuses the chosen one. */
export interface FallbackKey {
  apiKeyId: string;
  /** False for one that is only worth a try: the provider limited or refused it the last time, or was never asked. */
  isActive: boolean;
}

/**
 * Which key pays for each of these models, by model id: of the workspace's own keys the first healthy one that offers it,
 * else the first that may be tried; only if there is none, a key of its team in the same way. Never the key of another
 * tenant, or one for another place than the model's. A variant is paid for as its base model is. None pays for a model whose
 * shutdown has passed, unless a person added it by its name.
 */
export async function findAvailability(
  { db }: { db: Database },
  modelIds: readonly string[],
  /** Leaves this key out. */
  { withoutApiKeyId }: { withoutApiKeyId?: string } = {},
): Promise<Map<string, ModelAvailability>> {
  const candidates = await selectCandidates(db, isOneOf(models.id, modelIds));
  return availabilityFrom(
    candidates.filter(({ apiKeyId }) => apiKeyId !== withoutApiKeyId),
    modelIds,
  );
}

/** Chooses the key that pays for each of these models, of the rows of `selectCandidates` in their order. */
export function availabilityFrom(
  rows: readonly Candidate[],
  modelIds: readonly string[],
): Map<string, ModelAvailability> {
  const candidates = Map.groupBy(rows, (candidate) => candidate.modelId);
  const now = new Date();
  // A key lists hundreds of models, and is in the same status for all of them.
  const statuses = new Map<string, KeyStatus>();
  const judge = (key: Candidate): KeyCandidate => {
    const status = statuses.get(key.apiKeyId) ?? statusOnPlan(key, key.plan, now);
    statuses.set(key.apiKeyId, status);
    return { key, status, isShutDown: isShutDown(key, now) };
  };
  return new Map(
    modelIds.map((modelId) => [modelId, choosePayingKey((candidates.get(modelId) ?? []).map(judge))]),
  );
}

export type Candidate = Awaited<ReturnType<typeof selectCandidates>>[number];

/** The query for every key that lists one of these models and may pay for it, in the order in which they are tried. */
export function selectCandidates(db: Database, isWanted: SQL | undefined) {
  const wanted = wantedModels(db, isWanted);
  return db
    .select({
      modelId: sql<string>`${wanted.id}`.as('wanted_id'),
      listedModelId: apiKeyModels.modelId,
      apiKeyId: apiKeys.id,
      teamId: apiKeys.teamId,
      tenantId: apiKeys.tenantId,
      kind: workspaces.kind,
      version: apiKeys.version,
      plan: planOfKey.as('plan'),
      health: apiKeys.health,
      rateLimitedUntil: apiKeys.rateLimitedUntil,
      isEnabled: apiKeys.isEnabled,
      expiresAt: apiKeys.expiresAt,
      needsReentry: apiKeys.needsReentry,
      shutdownAt: models.shutdownAt,
      isAdded: apiKeyModels.isAdded,
    })
    .from(wanted)
    .innerJoin(
      models,
      and(
        eq(models.tenantId, wanted.keyTenantId),
        eq(models.provider, wanted.provider),
        eq(models.baseUrl, wanted.baseUrl),
        eq(models.name, wanted.name),
      ),
    )
    .innerJoin(apiKeyModels, eq(apiKeyModels.modelId, models.id))
    .innerJoin(apiKeys, and(eq(apiKeys.id, apiKeyModels.apiKeyId), isForPlaceOfModel))
    .leftJoin(workspaces, eq(workspaces.id, apiKeys.workspaceId))
    .orderBy(asc(sql`${apiKeys.teamId} is not null`), asc(apiKeys.position), asc(apiKeys.id));
}

/**
 * The given models, once for each tenant whose keys may pay: their own, and the team of their workspace. With `unnest`, the join
 * to the same models of these tenants is one index lookup each; with `or`, the planner compares thousands of models that were
 * added a moment ago pair by pair.
 */
function wantedModels(db: Database, isWanted: SQL | undefined) {
  return db
    .select({
      id: models.id,
      keyTenantId: sql<string>`unnest(array[${models.tenantId}, ${workspaces.teamId}])`.as('key_owner_id'),
      provider: models.provider,
      baseUrl: models.baseUrl,
      name: models.name,
    })
    .from(models)
    .leftJoin(workspaces, eq(workspaces.id, models.workspaceId))
    .where(isWanted)
    .as('wanted');
}

/** Not three equalities: with them the planner could start with the keys and read every model of each. */
const isForPlaceOfModel = sql`(${apiKeys.tenantId}, ${apiKeys.provider}, ${apiKeys.baseUrl})
  is not distinct from (${models.tenantId}, ${models.provider}, ${models.baseUrl})`;

/** What a key was chosen because of, as the placeholder of `areUnchanged`. */
export function factsOf(chosen: readonly Candidate[]): string {
  return JSON.stringify(
    chosen.map(({ apiKeyId, listedModelId, version, plan, health, isEnabled, expiresAt, needsReentry }) => {
      return { apiKeyId, listedModelId, version, plan, health, isEnabled, expiresAt, needsReentry };
    }),
  );
}

/**
 * Condition of a statement that writes because of an earlier read: each of the keys in a placeholder still lists its model and
 * has the facts with which it was chosen. So the rules are applied once, to what was read, and not again in SQL.
 */
export function areUnchanged(facts: Placeholder): SQL {
  return sql`not exists (
    select from jsonb_to_recordset(${facts}::text::jsonb) as fact("apiKeyId" text, "listedModelId" text,
      version integer, plan text, health text, "isEnabled" boolean, "expiresAt" timestamptz(3), "needsReentry" boolean)
    left join ${apiKeys} on ${apiKeys.id} = fact."apiKeyId"
    left join ${apiKeyModels} on ${apiKeyModels.apiKeyId} = ${apiKeys.id} and ${apiKeyModels.modelId} = fact."listedModelId"
    where ${apiKeyModels.modelId} is null
      or (${apiKeys.version}, ${planOfKey}, ${apiKeys.health}, ${apiKeys.isEnabled}, ${apiKeys.expiresAt}, ${apiKeys.needsReentry})
        is distinct from (fact.version, fact.plan, fact.health, fact."isEnabled", fact."expiresAt", fact."needsReentry"))`;
}

interface KeyCandidate {
  key: Candidate;
  status: KeyStatus;
  isShutDown: boolean;
}

/**
 * Whether the provider no longer runs the model, as its list says. A person who adds such a model by its name knows better: the
 * provider has answered for it then.
 */
function isShutDown({ shutdownAt, isAdded }: Candidate, now: Date): boolean {
  return shutdownPhase(shutdownAt, now) === 'past' && !isAdded;
}

function choosePayingKey(candidates: readonly KeyCandidate[]): ModelAvailability {
  const apiKeyIds = candidates.map(({ key }) => key.apiKeyId);
  const usable = inOrderToAsk(candidates.filter(({ key }) => key.teamId === null));
  const [first, ...others] =
    usable.length > 0 ? usable : inOrderToAsk(candidates.filter(({ key }) => key.teamId !== null));
  if (first === undefined) return { apiKeyIds, isAvailable: false, code: codeForNone(candidates) };
  const { key } = first;
  return {
    apiKeyIds,
    isAvailable: true,
    apiKeyId: key.apiKeyId,
    keyTenantId: key.tenantId,
    chosen: key,
    paidBy: key.teamId !== null ? 'TEAM' : key.kind === 'PERSONAL' ? 'PERSONAL' : 'WORKSPACE',
    fallbackKeys: others.map(({ key: { apiKeyId }, status }) => ({
      apiKeyId,
      isActive: status === 'ACTIVE',
    })),
  };
}

/** Those that may pay, the healthy ones first. */
function inOrderToAsk(candidates: readonly KeyCandidate[]): KeyCandidate[] {
  const usable = candidates.filter(({ status, isShutDown }) => isUsable(status) && !isShutDown);
  return [
    ...usable.filter(({ status }) => status === 'ACTIVE'),
    ...usable.filter(({ status }) => status !== 'ACTIVE'),
  ];
}

/** Why none of these keys may pay: the shutdown of the model if one could be used otherwise, else the status of the first. */
function codeForNone(candidates: readonly KeyCandidate[]): AnswerErrorCode {
  if (candidates.some(({ status }) => isUsable(status))) return 'MODEL_UNAVAILABLE';
  return codeForStatus(candidates[0]?.status);
}

/** The code with which an answer is refused for a key of this status; undefined for no key at all. */
export function codeForStatus(status: KeyStatus | undefined): AnswerErrorCode {
  switch (status) {
    case 'SUSPENDED':
      return 'PLAN_REQUIRED';
    case 'EXPIRED':
      return 'KEY_EXPIRED';
    case 'INVALID':
      return 'INVALID_KEY';
    case 'NEEDS_REENTRY':
      return 'KEY_UNAVAILABLE';
    default:
      return 'NO_KEY';
  }
}

/** Why a key may no longer pay for a running answer; null if it may. */
export async function keyFailureCode(
  { db }: { db: Database },
  apiKeyId: string,
): Promise<AnswerErrorCode | null> {
  const [key] = await db
    .select({
      teamId: apiKeys.teamId,
      plan: planOfKey,
      health: apiKeys.health,
      rateLimitedUntil: apiKeys.rateLimitedUntil,
      isEnabled: apiKeys.isEnabled,
      expiresAt: apiKeys.expiresAt,
      needsReentry: apiKeys.needsReentry,
    })
    .from(apiKeys)
    .where(eq(apiKeys.id, apiKeyId));
  if (key === undefined) return 'KEY_REMOVED';
  const status = statusOnPlan(key, key.plan, new Date());
  if (isUsable(status)) return null;
  return status === 'DISABLED' ? 'KEY_REMOVED' : codeForStatus(status);
}

/** Why a model cannot be asked; null if it can. */
export function unavailableCode(availability: ModelAvailability | null): AnswerErrorCode | null {
  if (availability === null) return 'NO_KEY';
  return availability.isAvailable ? null : availability.code;
}

/** Ids of the keys that list a model, in the order in which they are tried; null if the viewer may not manage keys there. */
export function managedKeyIds(
  tenant: Tenant | null,
  availability: ModelAvailability | null,
): readonly string[] | null {
  if (tenant === null || !mayDo(tenant.viewerRole, 'manageKeys')) return null;
  return availability?.apiKeyIds ?? [];
}
