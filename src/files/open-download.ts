import { and, eq, isNotNull, isNull } from 'drizzle-orm';
import { attachments } from '../db/tables/attachment.ts';
import { users } from '../db/tables/user.ts';
import { SealError } from '../vault/seal.ts';
import { type Attachment, findAttachments } from './attachment.ts';
import type { FileDeps } from './file-deps.ts';
import { openFileKey, type SealedFileKey, sealedFileKeyColumns } from './file-key.ts';
import { type OpenedPart, openPart } from './stored-part.ts';

/** A file that a viewer may fetch, opened. */
export interface Download {
  attachment: Attachment;
  sha256: Uint8Array;
  bytes: OpenedPart;
}

/**
 * Opens a file for the viewer of a link, with the rights that they have now: a link outlives a membership. Null if they may not
 * see it, or cannot sign in any more. Throws MissingFileError and SealError.
 */
export async function openDownload(
  deps: Pick<FileDeps, 'db' | 'rootKeys' | 'fileStore'>,
  { id, viewerId }: { id: string; viewerId: string },
  signal: AbortSignal,
): Promise<Download | null> {
  const [attachment] = await findAttachments(deps, { id: viewerId }, [id]);
  if (attachment?.status !== 'READY') return null;
  const [row] = await deps.db
    .select({ sealed: sealedFileKeyColumns, uploads: attachments.uploads })
    .from(attachments)
    .innerJoin(users, and(eq(users.id, viewerId), isNull(users.disabledAt)))
    .where(and(eq(attachments.id, attachment.id), isNotNull(attachments.rootId)));
  if (row === undefined) return null;
  const key = openFileKey(deps.rootKeys, row.sealed as SealedFileKey);
  const bytes = await openPart(deps.fileStore, { id, uploads: row.uploads }, 'file', { key, signal });
  if (bytes.length !== attachment.sizeBytes) throw new SealError('tampered');
  return { attachment, sha256: key.sha256, bytes };
}
