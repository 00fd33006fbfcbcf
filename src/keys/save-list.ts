import type { AuditEvent } from '../audit/action.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { compareLists, type ListChange } from '../models/list-change.ts';
import { saveKeyModels } from '../models/save-models.ts';
import type { ListedModel, ProviderName } from '../providers/provider.ts';
import type { KeyDeps } from './api-key.ts';

/**
 * Saves the list of models that a provider gives for a stored key, and records for its managers which models it gained and lost
 * and which will be shut down. Returns whether the list, or what it says about a model, has changed. To be called with the key
 * locked, at the end of a transaction, since it may write an audit entry.
 */
export async function saveList(
  tx: Transaction,
  deps: Pick<KeyDeps, 'rootKeys'>,
  key: ListingKey,
  models: readonly ListedModel[],
  actorId: string | null,
): Promise<boolean> {
  const { id, tenantId, provider, label, modelsRefreshedAt: since } = key;
  const { hasChanged, before } = await saveKeyModels(tx, key, models);
  const change = since === null ? null : compareLists(before, models, { since, now: new Date() });
  if (change === null) return hasChanged;
  await recordAudit(tx, deps, tenantId, {
    action: 'MODELS_CHANGED',
    actorId,
    subjectId: id,
    details: { provider, label, ...detailsOf(change) },
  });
  return hasChanged;
}

/** A key whose list is saved. */
export interface ListingKey {
  id: string;
  tenantId: string;
  provider: ProviderName;
  baseUrl: string;
  label: string;
  /** When the list was last read; null for the first list of a key, of which nothing is recorded. */
  modelsRefreshedAt: Date | null;
}

type Details = Extract<AuditEvent, { action: 'MODELS_CHANGED' }>['details'];

function detailsOf({ added, removed, shutdowns }: ListChange): Omit<Details, 'provider' | 'label'> {
  return {
    added: inWords(added),
    removed: inWords(removed),
    shutdowns: inWords(
      shutdowns.map(({ name, shutdownAt }) =>
        shutdownAt === null ? `${name} no longer` : `${name} on ${shutdownAt.toISOString().slice(0, 10)}`,
      ),
    ),
  };
}

/** The first of these, and how many more there are; empty for none. */
function inWords(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return names.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const MOST_NAMED = 20; // a gateway may exchange hundreds, and entries are kept for ever
