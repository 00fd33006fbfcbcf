import type { Viewer } from '../accounts/session.ts';
import { newId } from '../db/id.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type Model, modelsOfKey, saveKeyModels } from '../models/catalogue.ts';
import { hintForeignKey } from '../providers/key-format.ts';
import type { ProviderName } from '../providers/provider.ts';
import { planOf, requirePlanForKeys } from '../workspaces/plan.ts';
import { requireWorkspace, type Workspace } from '../workspaces/workspace.ts';
import { acceptSecret, sealedColumns } from './accept-secret.ts';
import { type ApiKey, checkLabel, type KeyDeps, requireApiKey } from './api-key.ts';
import { checkKeyBaseUrl } from './base-url.ts';
import { probeColumns } from './probe.ts';
import type { SecretInput } from './secret-input.ts';

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

  const key = { id: newId('key'), workspaceId: workspace.id, provider: provider.name, baseUrl };
  const { secret, probe } = await acceptSecret(deps, viewer, input, key, input.baseUrl ?? null);

  await deps.db.transaction(async (tx) => {
    await tx.insert(apiKeys).values({
      ...key,
      label,
      ...(await sealedColumns(tx, deps.roots[0], key, 1, secret)),
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
