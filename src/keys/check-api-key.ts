import type { Viewer } from '../accounts/session.ts';
import { AnswerError } from '../answer-error.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { requireOwner } from '../workspaces/owner.ts';
import { planOf, requirePlanForKeys } from '../workspaces/plan.ts';
import { type ApiKey, type KeyDeps, requireApiKey } from './api-key.ts';
import { type CheckedKey, type Probe, probeStoredKey } from './probe.ts';
import { saveProbe } from './save-probe.ts';
import { SealError } from './seal-record.ts';

/**
 * Asks the provider again whether it accepts a stored key, and saves what it says. Throws AnswerError if the provider could
 * not say; the key then stands as before.
 */
export async function checkApiKey(deps: KeyDeps, viewer: Viewer, id: string): Promise<ApiKey> {
  const { provider, probe } = await checkNow(deps, viewer, id);
  const apiKey = await requireApiKey(deps, viewer, id);
  const isConfirmed = probe.refusal === 'unclear' && apiKey.status === 'INVALID';
  if (probe.health === 'UNVERIFIED' && probe.models === null && !isConfirmed)
    throw notAsked(probe, provider.title);
  return apiKey;
}

/** Fetches the list of models of a key anew. Throws AnswerError if the provider does not give it. */
export async function refreshModels(deps: KeyDeps, viewer: Viewer, id: string): Promise<Model[]> {
  const { provider, probe } = await checkNow(deps, viewer, id);
  if (probe.models === null) throw notAsked(probe, provider.title);
  return await modelsOfKey(deps, id);
}

function notAsked({ healthReason, forbidden }: Probe, providerTitle: string): AnswerError {
  return new AnswerError(healthReason ?? 'PROVIDER_ERROR', providerTitle, null, true, forbidden ?? null);
}

async function checkNow(deps: KeyDeps, viewer: Viewer, id: string) {
  const apiKey = await requireApiKey(deps, viewer, id);
  const owner = await requireOwner(deps, viewer, apiKey, 'manageKeys');
  requirePlanForKeys(planOf(owner, deps.defaultPlan), owner.type);
  const provider = deps.providers[apiKey.provider];
  let checked: CheckedKey;
  try {
    checked = await deps.checkLimits.run(viewer, () => probeStoredKey(deps, id));
  } catch (error) {
    if (error instanceof SealError) throw new AnswerError('KEY_UNAVAILABLE', provider.title);
    throw error;
  }
  await saveProbe(deps, id, checked, { type: 'person', viewer });
  return { provider, probe: checked.probe };
}
