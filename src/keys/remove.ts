import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { type Model, modelsOfKey } from '../models/catalogue.ts';
import { type ApiKey, changeApiKey, type KeyDeps } from './api-key.ts';
import { closeUp } from './order.ts';

/**
 * Removes a key for good. Its models and everything they answered stay; they can no longer be asked through this key, and
 * answers that it is paying for end.
 */
export async function removeApiKey(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'defaultPlan' | 'rootKeys'>,
  viewer: Viewer,
  id: string,
): Promise<{ apiKey: ApiKey; models: Model[] }> {
  return await changeApiKey(deps, viewer, id, async (tx, apiKey) => {
    const models = await modelsOfKey({ db: tx }, apiKey.id);
    await tx.delete(apiKeys).where(eq(apiKeys.id, apiKey.id));
    await closeUp(tx, apiKey);
    await recordAudit(tx, deps, apiKey.tenantId, {
      action: 'KEY_REMOVED',
      actorId: viewer.id,
      subjectId: apiKey.id,
      details: { provider: apiKey.provider, label: apiKey.label },
    });
    return { apiKey, models };
  });
}
