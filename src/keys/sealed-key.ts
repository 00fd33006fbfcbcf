import { and, asc, gt, type SQL } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { readInBatches } from '../db/read-in-batches.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import {
  openRecord,
  type RecordContext,
  type Root,
  type SealError,
  type SealedRecord,
} from './seal-record.ts';

/** Reads the sealed records that meet the condition, by id. A row that comes to meet it behind the place reached is missed. */
export function readSealedKeys(
  db: Pick<Database, 'select'>,
  condition: SQL | undefined,
): AsyncGenerator<SealedKey> {
  return readInBatches(
    ({ id }) => id,
    (lastId, rows) =>
      db
        .select(sealedKeyColumns)
        .from(apiKeys)
        .where(and(condition, lastId === undefined ? undefined : gt(apiKeys.id, lastId)))
        .orderBy(asc(apiKeys.id))
        .limit(rows),
  );
}

/** A key's row as far as it takes part in sealing. */
export interface SealedKey extends Omit<RecordContext, 'apiKeyId'>, SealedRecord {
  id: string;
  needsReentry: boolean;
}

/** The secret of a row. The caller wipes the bytes. Throws SealError as `openRecord` does. */
export function openSealedKey(roots: readonly Root[], key: SealedKey): Uint8Array {
  return openRecord(roots, contextOf(key), key);
}

/** What a row's record is bound to. */
export function contextOf({ id, ownerId, provider, baseUrl, generation, version }: SealedKey): RecordContext {
  return { ownerId, apiKeyId: id, provider, baseUrl, generation, version };
}

/** What does not open, and why: a key by its id, or the key of an audit log by the id of its owner. */
export interface SealedKeyFailure {
  id: string;
  type: SealError['type'];
}

export const sealedKeyColumns = {
  id: apiKeys.id,
  ownerId: apiKeys.ownerId,
  provider: apiKeys.provider,
  baseUrl: apiKeys.baseUrl,
  rootId: apiKeys.rootId,
  generation: apiKeys.generation,
  version: apiKeys.version,
  ciphertext: apiKeys.ciphertext,
  tag: apiKeys.tag,
  needsReentry: apiKeys.needsReentry,
};
