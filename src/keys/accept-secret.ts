import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { InvalidInputError } from '../errors.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { KeyDeps } from './api-key.ts';
import { type Probe, probeKey, requireAccepted } from './probe.ts';
import { type Root, sealRecord } from './seal-record.ts';
import { ownerGeneration } from './sealing-key.ts';
import { hintOf, receiveSecret, type SecretInput } from './secret-input.ts';
import type { Submission } from './submission.ts';
import { requireUnusedBox } from './used-box.ts';

/**
 * The submitted secret, once its provider has not refused it, and what the provider said. The caller uses up its box. Throws
 * InvalidInputError for a submitted base URL whose name leads into a private network.
 */
export async function acceptSecret(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput,
  { ownerId, provider: name, baseUrl }: KeyIdentity,
  submittedBaseUrl: string | null,
): Promise<Submission & { probe: Probe }> {
  const provider = deps.providers[name];
  const owner = { id: ownerId, generation: await ownerGeneration(deps.db, ownerId) };
  const { secret, box } = receiveSecret(deps, input, owner, provider, submittedBaseUrl);
  await requireUnusedBox(deps.db, ownerId, box);
  const { probe } = await deps.checkLimits.run(viewer, async () => ({
    probe: await probeKey(deps, { provider: name, baseUrl, ownerId }, secret),
  }));
  if (probe.forbidden !== undefined && submittedBaseUrl !== null)
    throw new InvalidInputError([{ path: 'baseUrl', message: probe.forbidden }]);
  requireAccepted(probe, provider, secret);
  return { secret, box, probe };
}

/** The columns that hold a secret. The generation is read here, because the check before took seconds. */
export async function sealedColumns(
  tx: Pick<Database, 'select'>,
  root: Root,
  { id, ownerId, provider, baseUrl }: KeyIdentity,
  version: number,
  secret: string,
) {
  const generation = await ownerGeneration(tx, ownerId);
  const context = { ownerId, apiKeyId: id, provider, baseUrl, generation, version };
  return { hint: hintOf(secret), generation, version, ...sealRecord(root, context, secret) };
}

/** What a key is apart from its secret. */
export interface KeyIdentity {
  id: string;
  /** The workspace or team that owns it. */
  ownerId: string;
  provider: ProviderName;
  baseUrl: string;
}
