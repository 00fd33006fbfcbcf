import { and, eq, isNull, ne, or } from 'drizzle-orm';
import { recordAudit } from '../audit/record-audit.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import { failureName, log } from '../log.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { KeyDeps } from './api-key.ts';
import { keepOwner } from './keep-owner.ts';
import { SealError } from './seal-record.ts';
import { openSealedKey, type SealedKey, sealedKeyColumns } from './sealed-key.ts';

/**
 * Opens a stored key and lends its secret to `use`: the only way to plaintext. `use` must neither keep nor log it. The bytes
 * are wiped afterwards; the string made of them is dropped, since JavaScript strings cannot be wiped.
 * Throws NotFoundError if the key is gone and SealError if it does not open, which is recorded.
 */
export async function withSecret<Result>(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'roots'>,
  apiKeyId: string,
  use: (secret: string, key: OpenedKey) => Promise<Result>,
): Promise<Result> {
  const [key] = await deps.db.select(sealedKeyColumns).from(apiKeys).where(eq(apiKeys.id, apiKeyId));
  if (key === undefined) throw new NotFoundError('API key');
  const { baseUrl, ownerId, version } = key;
  const secretBytes = await open(deps, key);
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
  /** The workspace or team that owns it. */
  ownerId: string;
  /** Grows with every sealing, so that what is learned about one secret is not written onto the next. */
  version: number;
}

async function open(deps: Pick<KeyDeps, 'db' | 'changes' | 'roots'>, key: SealedKey): Promise<Uint8Array> {
  try {
    return openSealedKey(deps.roots, key);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    log.error({ apiKeyId: key.id, type: error.type }, 'stored key did not open');
    if (!key.needsReentry) await recordNotOpened(deps, key, error.type).catch(logUnrecorded);
    throw error;
  }
}

/** Makes it part of how the key stands, and so records it once for each secret and not with every try. */
async function recordNotOpened(
  deps: Pick<KeyDeps, 'db' | 'changes' | 'roots'>,
  { id, ownerId, version }: SealedKey,
  failure: SealError['type'],
): Promise<void> {
  const isNews = await deps.db.transaction(async (tx) => {
    await keepOwner(tx, ownerId);
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
    await recordAudit(tx, deps, ownerId, {
      action: 'KEY_NOT_OPENED',
      actorId: null,
      subjectId: id,
      details: { ...key, failure },
    });
    return true;
  });
  if (isNews) deps.changes.announce(ownerId, [id]);
}

/** It is the same database that was changed: even the log of it may not open. The failure itself has been logged. */
function logUnrecorded(error: unknown): void {
  log.error({ failure: failureName(error) }, 'a key that did not open could not be recorded');
}

const NOT_OPENED = 'KEY_UNAVAILABLE';
