import { and, eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { type AnswerErrorCode, answerErrorCode } from '../answer-error.ts';
import type { Transaction } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { lockKeyForUpdate } from '../db/lock-order.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { retryConflicts } from '../db/retry-conflicts.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Providers } from '../providers/registry.ts';
import { sanitizeLine } from '../sanitize-line.ts';
import type { SingleFlight } from '../single-flight.ts';
import type { RootKey } from '../vault/seal.ts';
import { mayDo, requireRole } from '../workspaces/permissions.ts';
import { findTenants, keyScopeOf, lockAndAuthorizeTenant, type Tenant } from '../workspaces/tenant.ts';
import type { CheckLimits } from './check-limits.ts';
import type { CheckedKey } from './health.ts';
import { type KeyFacts, type KeyStatus, statusOnPlan } from './status.ts';

/** A provider key for viewers who may manage it. Its sealed record stays in this folder. */
export interface ApiKey extends Omit<KeyFacts, 'planAllowsKeys'> {
  id: string;
  /** One of the two is set: the owner of the key. */
  workspaceId: string | null;
  teamId: string | null;
  tenantId: string;
  provider: ProviderName;
  baseUrl: string;
  label: string;
  /** The last four characters of the secret; null for a short one. */
  hint: string | null;
  scope: KeyScope;
  /** Place among the tenant's keys of this provider, in the order in which they are tried, from 1. */
  position: number;
  status: KeyStatus;
  /** The error code behind the health, if the provider gave a reason. */
  healthReason: AnswerErrorCode | null;
  createdBy: string | null;
  createdAt: Date;
  lastUsedAt: Date | null;
  modelsRefreshedAt: Date | null;
}

export const KEY_SCOPES = ['PERSONAL', 'WORKSPACE', 'TEAM'] as const;

export type KeyScope = (typeof KEY_SCOPES)[number];

/** Dependencies of the functions of this folder. */
export interface KeyDeps {
  db: Database;
  changes: Changes;
  providers: Providers;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
  checkLimits: CheckLimits;
  /** The running checks of stored keys, by the key's id. */
  checks: SingleFlight<CheckedKey>;
  /** Which ways of sending a secret are refused: none, unsealed ones, or also sealed ones of version 1. */
  requireSealedKeys: 'off' | 'on' | 'v2';
  /** `host:port` pairs on private networks that a CUSTOM key may name. */
  allowedPrivateHosts: readonly string[];
}

/** The keys with these ids that the viewer may manage. */
export async function findApiKeys(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<ApiKey[]> {
  const rows = await deps.db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.id, idsOf('key', ids)));
  const tenantIds = rows.map((row) => row.tenantId);
  const tenants = rows.length === 0 ? [] : await findTenants(deps, viewer, tenantIds);
  const managed = new Map(
    tenants.filter((tenant) => mayDo(tenant.viewerRole, 'manageKeys')).map((tenant) => [tenant.id, tenant]),
  );
  return rows.flatMap((row) => {
    const tenant = managed.get(row.tenantId);
    return tenant === undefined ? [] : [toApiKey(row, tenant)];
  });
}

/** The keys of a workspace or team, oldest first; null for members who may not manage them. */
export async function listApiKeys(
  deps: { db: Database },
  tenant: Tenant,
  page: PageInput,
): Promise<Page<ApiKey> | null> {
  if (!mayDo(tenant.viewerRole, 'manageKeys')) return null;
  return await readPage<ApiKey>(page, {
    column: apiKeys.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: (apiKey) => apiKey.id,
    read: async (conditions, orderBy, limit) => {
      const rows = await deps.db
        .select(keyColumns)
        .from(apiKeys)
        .where(and(eq(apiKeys.tenantId, tenant.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit);
      return rows.map((row) => toApiKey(row, tenant));
    },
  });
}

/** The key, if the viewer may manage it. Throws NotFoundError or NotPermittedError. */
export async function requireApiKey(deps: { db: Database }, viewer: Viewer, id: string): Promise<ApiKey> {
  const [row] = await deps.db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.id, idsOf('key', [id])));
  if (row === undefined) throw new NotFoundError('API key');
  const [tenant] = await findTenants(deps, viewer, [row.tenantId]);
  if (tenant === undefined) throw new NotFoundError('API key');
  requireRole(tenant.viewerRole, 'manageKeys');
  return toApiKey(row, tenant);
}

/**
 * Changes a key in one transaction, with the viewer's role checked under lock: `change` gets the key's current state and writes
 * the audit entry as its last statement. Throws NotFoundError or NotPermittedError.
 */
export async function changeApiKey<Result>(
  deps: Pick<KeyDeps, 'db' | 'changes'>,
  viewer: Viewer,
  id: string,
  change: (tx: Transaction, apiKey: ApiKey) => Promise<Result>,
): Promise<Result> {
  const { tenantId, workspaceId, teamId } = await requireApiKey(deps, viewer, id);
  // Removing a key nulls `api_key_id` on running answers in another row order than a checkpoint locks them: retry deadlocks.
  const result = await retryConflicts(() =>
    deps.db.transaction(async (tx) => {
      await lockAndAuthorizeTenant(tx, viewer, { workspaceId, teamId }, 'manageKeys');
      await lockKeyForUpdate(tx, id);
      return await change(tx, await requireApiKey({ ...deps, db: tx }, viewer, id));
    }),
  );
  deps.changes.announce(tenantId, [id]);
  return result;
}

/** A label fit to be stored. Throws InvalidInputError. */
export function checkLabel(text: string): string {
  const label = sanitizeLine(text);
  if (label.length >= 1 && label.length <= MAX_LABEL_LENGTH) return label;
  throw new InvalidInputError('label', `A label has between 1 and ${MAX_LABEL_LENGTH} characters.`);
}

/** The state of a key, for followers. The caller has to check whether a viewer may see it. */
export interface KeyState extends Pick<typeof apiKeys.$inferSelect, keyof typeof keyColumns> {
  status: KeyStatus;
  /** When time alone will change its status; null for never. */
  changesAt: Date | null;
}

/** The current state of these tenants' keys, whether or not a viewer may manage them, in the order of their ids. */
export async function readKeyStates(
  { db }: { db: Database },
  tenants: readonly Tenant[],
): Promise<KeyState[]> {
  const byId = new Map(tenants.map((tenant) => [tenant.id, tenant]));
  const rows = await db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.tenantId, [...byId.keys()]))
    .orderBy(apiKeys.id);
  const now = new Date();
  return rows.flatMap((row) => {
    const tenant = byId.get(row.tenantId);
    if (tenant === undefined) return [];
    const status = statusOnPlan(row, tenant.plan, now);
    return [{ ...row, status, changesAt: firstAfter(now, row) }];
  });
}

function firstAfter(
  now: Date,
  { expiresAt, rateLimitedUntil }: Pick<KeyState, 'expiresAt' | 'rateLimitedUntil'>,
): Date | null {
  const ahead = [expiresAt, rateLimitedUntil]
    .filter((moment) => moment !== null)
    .filter((moment) => moment > now);
  return ahead.sort((left, right) => left.getTime() - right.getTime())[0] ?? null;
}

export const keyColumns = {
  id: apiKeys.id,
  workspaceId: apiKeys.workspaceId,
  teamId: apiKeys.teamId,
  tenantId: apiKeys.tenantId,
  position: apiKeys.position,
  provider: apiKeys.provider,
  baseUrl: apiKeys.baseUrl,
  label: apiKeys.label,
  hint: apiKeys.hint,
  health: apiKeys.health,
  healthReason: apiKeys.healthReason,
  rateLimitedUntil: apiKeys.rateLimitedUntil,
  isEnabled: apiKeys.isEnabled,
  expiresAt: apiKeys.expiresAt,
  needsReentry: apiKeys.needsReentry,
  createdBy: apiKeys.createdBy,
  createdAt: apiKeys.createdAt,
  lastUsedAt: apiKeys.lastUsedAt,
  modelsRefreshedAt: apiKeys.modelsRefreshedAt,
};

type KeyRow = Pick<typeof apiKeys.$inferSelect, keyof typeof keyColumns>;

function toApiKey(row: KeyRow, tenant: Tenant): ApiKey {
  return {
    ...row,
    provider: row.provider as ProviderName,
    healthReason: row.healthReason === null ? null : answerErrorCode(row.healthReason),
    scope: keyScopeOf(tenant),
    status: statusOnPlan(row, tenant.plan, new Date()),
  };
}

const MAX_LABEL_LENGTH = 100;
