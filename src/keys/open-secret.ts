import { and, eq, isNull, ne, or } from 'drizzle-orm';
import { recordAudit } from '../audit/record-audit.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { lockTenantForKeyShare } from '../db/lock-order.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import { failureName, log } from '../log.ts';
import type { Credentials, ProviderName } from '../providers/provider.ts';
import { openRecord, type RecordContext, type RootKey, SealError, type SealedRecord } from '../vault/seal.ts';
import { decodeKeyContent } from './key-content.ts';

/**
 * Opens a stored key and passes its secret and headers to `use`: with `withSecretOf` the only way to plaintext. `use` must neither
 * keep nor log them. The bytes are wiped afterwards; the strings made of them are only dropped, since JavaScript strings cannot be
 * wiped.
 * Throws NotFoundError if the key is gone and SealError if it does not open, which is recorded.
 */
export async function withSecret<Result>(
  deps: OpenDeps,
  apiKeyId: string,
  use: (credentials: Credentials, key: OpenedKey) => Promise<Result>,
): Promise<Result> {
  const [key] = await deps.db.select(sealedKeyColumns).from(apiKeys).where(eq(apiKeys.id, apiKeyId));
  if (key === undefined) throw new NotFoundError('API key');
  return await withSecretOf(deps, key, use);
}

/** Does the same with a row that was read a moment ago. */
export async function withSecretOf<Result>(
  deps: OpenDeps,
  key: SealedKey,
  use: (credentials: Credentials, key: OpenedKey) => Promise<Result>,
): Promise<Result> {
  const { baseUrl, tenantId, version } = key;
  const content = await open(deps, key);
  try {
    const opened = { provider: key.provider as ProviderName, baseUrl, tenantId, version };
    return await use(decodeKeyContent(content), opened);
  } finally {
    content.fill(0);
  }
}

interface OpenDeps {
  db: Database;
  changes: Changes;
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** The sealed context of a secret: an attacker with write access to the database cannot have changed it. */
export interface OpenedKey {
  provider: ProviderName;
  baseUrl: string;
  /** The workspace or team that owns it. */
  tenantId: string;
  /** Grows with every sealing, so that a result for one secret is not written to the row of the next. */
  version: number;
}

/** The columns of a key that sealing uses. */
export interface SealedKey extends Omit<RecordContext, 'apiKeyId'>, SealedRecord {
  id: string;
  needsReentry: boolean;
}

/** The secret of a row. The caller wipes the bytes. Throws SealError as `openRecord` does. */
export function openSealedKey(rootKeys: readonly RootKey[], key: SealedKey): Uint8Array {
  return openRecord(rootKeys, contextOf(key), key);
}

/** The context that a row's record is bound to. */
export function contextOf({
  id,
  tenantId,
  provider,
  baseUrl,
  generation,
  version,
}: SealedKey): RecordContext {
  return { tenantId, apiKeyId: id, provider, baseUrl, generation, version };
}

export const sealedKeyColumns = {
  id: apiKeys.id,
  tenantId: apiKeys.tenantId,
  provider: apiKeys.provider,
  baseUrl: apiKeys.baseUrl,
  rootId: apiKeys.rootId,
  generation: apiKeys.generation,
  version: apiKeys.version,
  ciphertext: apiKeys.ciphertext,
  tag: apiKeys.tag,
  needsReentry: apiKeys.needsReentry,
};

async function open(deps: OpenDeps, key: SealedKey): Promise<Uint8Array> {
  try {
    return openSealedKey(deps.rootKeys, key);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    log.error({ apiKeyId: key.id, type: error.type }, 'stored key did not open');
    if (!key.needsReentry) await recordNotOpened(deps, key, error.type).catch(logUnrecorded);
    throw error;
  }
}

/** Records the failure in the audit log, and in the key's health so that this happens once for each secret. */
async function recordNotOpened(
  deps: OpenDeps,
  { id, tenantId, version }: SealedKey,
  failure: SealError['type'],
): Promise<void> {
  const isRecorded = await deps.db.transaction(async (tx) => {
    if (!(await lockTenantForKeyShare(tx, tenantId))) return false;
    const [key] = await tx
      .update(apiKeys)
      .set({ health: 'UNVERIFIED', healthReason: NOT_OPENED })
      .where(
        and(
          eq(apiKeys.id, id),
          eq(apiKeys.version, version),
          or(isNull(apiKeys.healthReason), ne(apiKeys.healthReason, NOT_OPENED)),
        ),
      )
      .returning({ provider: apiKeys.provider, label: apiKeys.label });
    if (key === undefined) return false;
    await recordAudit(tx, deps, tenantId, {
      action: 'KEY_NOT_OPENED',
      actorId: null,
      subjectId: id,
      details: { ...key, failure },
    });
    return true;
  });
  if (isRecorded) deps.changes.announce(tenantId, [id]);
}

/** Logs that the audit log could not be written: where the key's row was tampered with, the log may not open either. */
function logUnrecorded(error: unknown): void {
  log.error({ failure: failureName(error) }, 'a key that did not open could not be recorded');
}

const NOT_OPENED = 'KEY_UNAVAILABLE';
