import { and, eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type AnswerErrorCode, answerErrorCode, InvalidInputError, NotFoundError } from '../errors.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { Providers } from '../providers/registry.ts';
import { mayDo, requireRole } from '../workspaces/membership.ts';
import { type Plan, planAllowsKeys, planOf } from '../workspaces/plan.ts';
import { findWorkspaces, type Workspace } from '../workspaces/workspace.ts';
import type { CheckLimits } from './check-limits.ts';
import type { Root } from './seal-record.ts';
import { openSealedKey, sealedKeyColumns } from './sealed-key.ts';
import { type KeyFacts, type KeyStatus, keyStatus } from './status.ts';

/** A provider key as those who may manage it see it. Its sealed record stays in this folder. */
export interface ApiKey extends Omit<KeyFacts, 'planAllowsKeys'> {
  id: string;
  workspaceId: string;
  provider: ProviderName;
  baseUrl: string;
  label: string;
  /** The last four characters of the secret; null for a short one. */
  hint: string | null;
  scope: KeyScope;
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

/** What working with keys needs. */
export interface KeyDeps {
  db: Database;
  changes: Changes;
  providers: Providers;
  /** The first one seals, all of them open. */
  roots: readonly [Root, ...Root[]];
  checkLimits: CheckLimits;
  defaultPlan: Plan;
  /** Whether a secret must arrive sealed. */
  requireSealedKeys: boolean;
  /** `host:port` pairs on private networks that a CUSTOM key may name. */
  allowedPrivateHosts: readonly string[];
}

/** The keys with these ids in workspaces whose keys the viewer may manage. */
export async function findApiKeys(
  deps: { db: Database; defaultPlan: Plan },
  viewer: Viewer,
  ids: readonly string[],
): Promise<ApiKey[]> {
  const rows = await deps.db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.id, idsOf('key', ids)));
  const owners = await findWorkspaces(
    deps,
    viewer,
    rows.map((row) => row.workspaceId),
  );
  const managed = new Map(
    owners
      .filter((workspace) => mayDo(workspace.viewerRole, 'manageKeys'))
      .map((workspace) => [workspace.id, workspace]),
  );
  return rows.flatMap((row) => {
    const workspace = managed.get(row.workspaceId);
    return workspace === undefined ? [] : [toApiKey(row, workspace, deps.defaultPlan)];
  });
}

/** The keys of a workspace, oldest first. Empty for members who may not manage them. */
export async function listApiKeys(
  deps: { db: Database; defaultPlan: Plan },
  workspace: Workspace,
  page: PageInput,
): Promise<Page<ApiKey>> {
  const isManager = mayDo(workspace.viewerRole, 'manageKeys');
  return await readPage<ApiKey>(page, {
    column: apiKeys.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: (apiKey) => apiKey.id,
    read: async (conditions, orderBy, limit) => {
      if (!isManager) return [];
      const rows = await deps.db
        .select(keyColumns)
        .from(apiKeys)
        .where(and(eq(apiKeys.workspaceId, workspace.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit);
      return rows.map((row) => toApiKey(row, workspace, deps.defaultPlan));
    },
  });
}

/** The key, if the viewer may manage it. Else NotFoundError or NotPermittedError. */
export async function requireApiKey(
  deps: { db: Database; defaultPlan: Plan },
  viewer: Viewer,
  id: string,
): Promise<ApiKey> {
  const [row] = await deps.db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.id, idsOf('key', [id])));
  if (row === undefined) throw new NotFoundError('API key');
  const [workspace] = await findWorkspaces(deps, viewer, [row.workspaceId]);
  if (workspace === undefined) throw new NotFoundError('API key');
  requireRole(workspace.viewerRole, 'manageKeys');
  return toApiKey(row, workspace, deps.defaultPlan);
}

/** Changes what is known about a key besides its secret. */
export async function updateApiKey(
  deps: KeyDeps,
  viewer: Viewer,
  input: {
    id: string;
    label?: string | null | undefined;
    isEnabled?: boolean | null | undefined;
    expiresAt?: Date | null | undefined;
  },
): Promise<ApiKey> {
  const label = input.label == null ? undefined : checkLabel(input.label);
  const apiKey = await requireApiKey(deps, viewer, input.id);
  await deps.db
    .update(apiKeys)
    .set({
      label: label ?? apiKey.label,
      isEnabled: input.isEnabled ?? apiKey.isEnabled,
      // An expiry is taken away by an explicit null, so only a field that was left out keeps the old one.
      expiresAt: input.expiresAt === undefined ? apiKey.expiresAt : input.expiresAt,
    })
    .where(eq(apiKeys.id, apiKey.id));
  deps.changes.announce(apiKey.workspaceId, [apiKey.id]);
  return await requireApiKey(deps, viewer, apiKey.id);
}

/** Removes a key for good. Its models and everything they answered stay; they can no longer be asked through this key. */
export async function removeApiKey(
  deps: KeyDeps,
  viewer: Viewer,
  id: string,
): Promise<{ apiKey: ApiKey; models: Model[] }> {
  const apiKey = await requireApiKey(deps, viewer, id);
  const models = await modelsOfKey(deps, apiKey.id);
  await deps.db.delete(apiKeys).where(eq(apiKeys.id, apiKey.id));
  deps.changes.announce(apiKey.workspaceId, [apiKey.id]);
  return { apiKey, models };
}

/**
 * Opens a stored key and lends its secret to `use`: the only way to plaintext. `use` must neither keep nor log it. The bytes
 * are wiped afterwards; the string made of them is dropped, since JavaScript strings cannot be wiped.
 * Throws NotFoundError if the key is gone and SealError if it does not open.
 */
export async function withSecret<Result>(
  deps: { db: Database; roots: readonly Root[] },
  apiKeyId: string,
  use: (secret: string, key: OpenedKey) => Promise<Result>,
): Promise<Result> {
  const [key] = await deps.db.select(sealedKeyColumns).from(apiKeys).where(eq(apiKeys.id, apiKeyId));
  if (key === undefined) throw new NotFoundError('API key');
  const { baseUrl, ownerId, version } = key;
  const secretBytes = openSealedKey(deps.roots, key);
  try {
    const secret = new TextDecoder().decode(secretBytes);
    return await use(secret, { provider: key.provider as ProviderName, baseUrl, ownerId, version });
  } finally {
    secretBytes.fill(0);
  }
}

/** What a secret was sealed with: nobody who can only write to the database can have changed it. */
export interface OpenedKey {
  provider: ProviderName;
  baseUrl: string;
  /** The workspace that owns it. */
  ownerId: string;
  /** Grows with every sealing, so that what is learned about one secret is not written onto the next. */
  version: number;
}

/** A label fit to be stored. Throws InvalidInputError. */
export function checkLabel(text: string): string {
  const label = text.replaceAll('\0', '').toWellFormed().trim();
  if (label.length >= 1 && label.length <= MAX_LABEL_LENGTH) return label;
  throw new InvalidInputError([
    { path: 'label', message: `A label has between 1 and ${MAX_LABEL_LENGTH} characters.` },
  ]);
}

export const keyColumns = {
  id: apiKeys.id,
  workspaceId: apiKeys.workspaceId,
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

function toApiKey(row: KeyRow, workspace: Workspace, defaultPlan: Plan): ApiKey {
  const facts = { ...row, planAllowsKeys: planAllowsKeys(planOf(workspace, defaultPlan)) };
  return {
    ...row,
    provider: row.provider as ProviderName,
    healthReason: row.healthReason === null ? null : answerErrorCode(row.healthReason),
    scope: workspace.kind === 'PERSONAL' ? 'PERSONAL' : 'WORKSPACE',
    status: keyStatus(facts, new Date()),
  };
}

const MAX_LABEL_LENGTH = 100;
