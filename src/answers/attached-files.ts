import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { InvalidInputError, NotFoundError } from '../errors.ts';
import { type Attachment, findAttachments } from '../files/attachment.ts';
import type { Thread } from '../threads/thread.ts';

/** The ids of the files that a message is to refer to, each once. Throws InvalidInputError. */
export function checkAttachmentIds(ids: readonly string[]): readonly string[] {
  if (ids.length > MAX_FILES)
    throw new InvalidInputError(
      'attachmentIds',
      `A message has at most ${MAX_FILES} files. Send the rest with another one.`,
    );
  if (new Set(ids).size < ids.length)
    throw new InvalidInputError('attachmentIds', 'A file is named twice. Name each file once.');
  return ids;
}

/**
 * The files with these ids, in this order: those of the thread's workspace that the viewer may see. Throws NotFoundError, and
 * InvalidInputError for one that is not READY.
 */
export async function requireAttachments(
  deps: { db: Database },
  viewer: Viewer,
  { workspaceId }: Pick<Thread, 'workspaceId'>,
  ids: readonly string[],
): Promise<Attachment[]> {
  if (ids.length === 0) return [];
  const found = new Map((await findAttachments(deps, viewer, ids)).map((each) => [each.id, each]));
  return ids.map((id, index) => {
    const attachment = found.get(id);
    if (attachment?.workspaceId !== workspaceId) throw new NotFoundError('file in this workspace');
    if (attachment.status === 'READY') return attachment;
    throw new InvalidInputError(
      `attachmentIds.${index}`,
      `"${attachment.fileName}" ${NOT_READY[attachment.status]}`,
    );
  });
}

const NOT_READY = {
  WAITING: 'has not arrived yet. Wait until it is READY, or leave it out.',
  READING: 'is still being read. Wait until it is READY, or leave it out.',
  REFUSED: 'cannot be sent: it was refused. Leave it out.',
} as const;

const MAX_FILES = 20;
