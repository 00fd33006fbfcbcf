import { randomBytes } from 'node:crypto';
import { and, asc, eq, gt, isNotNull, type SQL } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { readInBatches } from '../db/read-in-batches.ts';
import { tenantGeneration } from '../db/sealing-generation.ts';
import { attachments } from '../db/tables/attachment.ts';
import type { FileKey } from '../vault/file-box.ts';
import {
  openRecord,
  type RecordContext,
  type RootKey,
  resealRecord,
  type SealedRecord,
  sealRecord,
} from '../vault/seal.ts';

/** Makes the random key of a file. It stays the same for the life of the file: a rotation only seals it again. */
export function newFileKey(attachmentId: string): FileKey {
  return { attachmentId, secret: randomBytes(SECRET_BYTES) };
}

/**
 * Seals the key of a file for its row, and the SHA-256 of its bytes with it: in the clear, that would show whoever reads the
 * database whether a file they know is among them.
 */
export async function sealFileKey(
  { db, rootKeys }: SealDeps,
  { id, workspaceId }: Pick<SealedFileKey, 'id' | 'workspaceId'>,
  { secret }: FileKey,
  sha256: Uint8Array,
): Promise<Omit<SealedFileKey, 'id' | 'workspaceId'>> {
  const place = { generation: await tenantGeneration(db, workspaceId), version: 1 };
  const content = Buffer.concat([secret, sha256]);
  try {
    return { ...place, ...sealRecord(rootKeys[0], contextOf({ id, workspaceId, ...place }), content) };
  } finally {
    content.fill(0);
  }
}

/** The key of a file and the SHA-256 of its bytes. Throws SealError as `openRecord` does. */
export function openFileKey(rootKeys: readonly RootKey[], sealed: SealedFileKey): OpenedFileKey {
  const content = openRecord(rootKeys, contextOf(sealed), sealed);
  return {
    attachmentId: sealed.id,
    secret: content.subarray(0, SECRET_BYTES),
    sha256: content.subarray(SECRET_BYTES),
  };
}

/** The columns of an attachment that sealing uses. */
export interface SealedFileKey extends SealedRecord {
  id: string;
  workspaceId: string;
  generation: number;
  version: number;
}

export interface OpenedFileKey extends FileKey {
  sha256: Uint8Array;
}

export const sealedFileKeyColumns = {
  id: attachments.id,
  workspaceId: attachments.workspaceId,
  rootId: attachments.rootId,
  generation: attachments.generation,
  version: attachments.version,
  ciphertext: attachments.ciphertext,
  tag: attachments.tag,
};

/** Reads the sealed keys of attachments that meet the condition, by id. A row behind the cursor that meets it only later is missed. */
export function readSealedFileKeys(
  db: Pick<Database, 'select'>,
  condition: SQL | undefined,
): AsyncGenerator<SealedFileKey> {
  return readInBatches(
    ({ id }) => id,
    async (lastId, rows) => {
      const found = await db
        .select(sealedFileKeyColumns)
        .from(attachments)
        .where(
          and(
            isNotNull(attachments.rootId),
            condition,
            lastId === undefined ? undefined : gt(attachments.id, lastId),
          ),
        )
        .orderBy(asc(attachments.id))
        .limit(rows);
      return found as SealedFileKey[]; // its columns are null together
    },
  );
}

/**
 * Seals the key of a file again with the first root key and the newest generation of its workspace; its bytes stay as they are.
 * False if the row was changed since it was read. Throws SealError.
 */
export async function resealFileKey({ db, rootKeys }: SealDeps, sealed: SealedFileKey): Promise<boolean> {
  // Never an older generation than the row has: it may have been rotated because it leaked.
  const generation = Math.max(sealed.generation, await tenantGeneration(db, sealed.workspaceId));
  const version = sealed.version + 1;
  const record = resealRecord(rootKeys, contextOf(sealed), sealed, { generation, version });
  const updated = await db
    .update(attachments)
    .set({ ...record, generation, version })
    .where(and(eq(attachments.id, sealed.id), eq(attachments.version, sealed.version)))
    .returning({ id: attachments.id });
  return updated.length > 0;
}

interface SealDeps {
  db: Pick<Database, 'select' | 'update'>;
  /** The first one seals, all of them open. */
  rootKeys: readonly [RootKey, ...RootKey[]];
}

/** No provider key has these values, so its record does not open as the key of a file, nor the other way round. */
function contextOf({
  id,
  workspaceId,
  generation,
  version,
}: Pick<SealedFileKey, 'id' | 'workspaceId' | 'generation' | 'version'>): RecordContext {
  return { tenantId: workspaceId, apiKeyId: id, provider: 'file', baseUrl: '', generation, version };
}

const SECRET_BYTES = 32;
