import { and, eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { newId } from '../db/id.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { ConflictError } from '../errors.ts';
import { type Model, modelsOfKey, saveKeyModels } from '../models/catalogue.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { ProviderName } from '../providers/provider.ts';
import { planOf, requirePlanForKeys } from '../workspaces/plan.ts';
import { requireWorkspace, type Workspace } from '../workspaces/workspace.ts';
import { type ApiKey, checkLabel, type KeyDeps, requireApiKey } from './api-key.ts';
import { checkKeyBaseUrl } from './base-url.ts';
import { probeColumns, probeKey, requireAccepted } from './probe.ts';
import { sealRecord } from './seal-record.ts';
import { ownerGeneration } from './sealing-key.ts';
import { hintOf, receiveSecret, type SecretInput } from './secret-input.ts';

/**
 * Adds a provider key: checks it with its provider, lists its models, seals it and stores all of that at once. A key that
 * the provider refuses is not stored; one whose provider cannot be reached is stored UNVERIFIED.
 */
export async function addApiKey(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput & {
    workspaceId: string;
    provider: ProviderName;
    label?: string | null | undefined;
    baseUrl?: string | null | undefined;
    expiresAt?: Date | null | undefined;
  },
): Promise<AddedApiKey> {
  const provider = deps.providers[input.provider];
  const label = checkLabel(input.label ?? provider.title);
  const baseUrl = checkKeyBaseUrl(provider, input.baseUrl ?? null, deps.allowedPrivateHosts);
  const workspace = await requireWorkspace(deps, viewer, input.workspaceId, 'manageKeys');
  requirePlanForKeys(planOf(workspace, deps.defaultPlan));

  const generation = await ownerGeneration(deps.db, workspace.id);
  const owner = { id: workspace.id, generation };
  const secret = receiveSecret(deps, input, owner, provider, input.baseUrl ?? null);
  deps.checkLimits.take(viewer);
  const probe = await probeKey(deps, { provider: provider.name, baseUrl, ownerId: owner.id }, secret);
  requireAccepted(probe, provider, secret);

  const key = { id: newId('key'), workspaceId: workspace.id, provider: provider.name, baseUrl };
  const context = {
    ownerId: owner.id,
    apiKeyId: key.id,
    provider: key.provider,
    baseUrl,
    generation,
    version: 1,
  };
  await deps.db.transaction(async (tx) => {
    await tx.insert(apiKeys).values({
      ...key,
      label,
      hint: hintOf(secret),
      generation,
      version: context.version,
      ...sealRecord(deps.roots[0], context, secret),
      ...probeColumns(probe),
      expiresAt: input.expiresAt ?? null,
      createdBy: viewer.id,
    });
    if (probe.models !== null) await saveKeyModels(tx, key, probe.models);
  });
  deps.changes.announce(workspace.id, [key.id]);
  return {
    apiKey: await requireApiKey(deps, viewer, key.id),
    workspace,
    models: await modelsOfKey(deps, key.id),
    warning: hintForeignKey(provider.name, secret),
  };
}

export interface AddedApiKey {
  apiKey: ApiKey;
  workspace: Workspace;
  models: Model[];
  /** Set when the key looks like another provider's. */
  warning: string | null;
}

/**
 * Puts another secret into a key, which keeps its id and label. For a CUSTOM key the base URL may change with it, never
 * without it: a stored secret goes only where it was checked.
 */
export async function replaceApiKeySecret(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput & { id: string; baseUrl?: string | null | undefined },
): Promise<ApiKey> {
  const apiKey = await requireApiKey(deps, viewer, input.id);
  const provider = deps.providers[apiKey.provider];
  const baseUrl =
    input.baseUrl == null
      ? apiKey.baseUrl
      : checkKeyBaseUrl(provider, input.baseUrl, deps.allowedPrivateHosts);
  const workspace = await requireWorkspace(deps, viewer, apiKey.workspaceId, 'manageKeys');
  requirePlanForKeys(planOf(workspace, deps.defaultPlan));

  const generation = await ownerGeneration(deps.db, workspace.id);
  const owner = { id: workspace.id, generation };
  const submittedBaseUrl = provider.baseUrl === null ? (input.baseUrl ?? apiKey.baseUrl) : null;
  const secret = receiveSecret(deps, input, owner, provider, submittedBaseUrl);
  deps.checkLimits.take(viewer);
  const probe = await probeKey(deps, { provider: provider.name, baseUrl, ownerId: owner.id }, secret);
  requireAccepted(probe, provider, secret);

  const [stored] = await deps.db
    .select({ version: apiKeys.version })
    .from(apiKeys)
    .where(eq(apiKeys.id, apiKey.id));
  const version = (stored?.version ?? 0) + 1;
  const key = { id: apiKey.id, workspaceId: workspace.id, provider: provider.name, baseUrl };
  const context = {
    ownerId: owner.id,
    apiKeyId: key.id,
    provider: key.provider,
    baseUrl,
    generation,
    version,
  };
  await deps.db.transaction(async (tx) => {
    const replaced = await tx
      .update(apiKeys)
      .set({
        baseUrl,
        hint: hintOf(secret),
        generation,
        version,
        needsReentry: false,
        ...sealRecord(deps.roots[0], context, secret),
        ...probeColumns(probe),
      })
      .where(and(eq(apiKeys.id, key.id), eq(apiKeys.version, version - 1)))
      .returning({ id: apiKeys.id });
    if (replaced.length === 0)
      throw new ConflictError('This key was changed by somebody else just now. Look at it, then try again.');
    if (probe.models !== null) await saveKeyModels(tx, key, probe.models);
  });
  deps.changes.announce(workspace.id, [key.id]);
  return await requireApiKey(deps, viewer, key.id);
}
