import { and, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { attachments } from '../db/tables/attachment.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import { requireWorkspace } from '../workspaces/workspace.ts';
import { findAttachments } from './attachment.ts';

/**
 * Removes a file that no message refers to, and returns its id: only the person who uploaded it can see such a file. Its bytes are
 * removed by the next sweep. What was sent goes with its message, so that a message always shows what was sent with it.
 */
export async function removeAttachment(deps: { db: Database }, viewer: Viewer, id: string): Promise<string> {
  const [attachment] = await findAttachments(deps, viewer, [id]);
  if (attachment === undefined) throw new NotFoundError('file');
  await requireWorkspace(deps, viewer, attachment.workspaceId, 'chat');
  // A send that is being committed is waited for, and the row is then read again.
  const removed = await deps.db
    .delete(attachments)
    .where(and(eq(attachments.id, attachment.id), sql`not ${attachments.isSent}`))
    .returning({ id: attachments.id });
  if (removed.length > 0) return attachment.id;
  if ((await findAttachments(deps, viewer, [id])).length === 0) throw new NotFoundError('file');
  throw new ConflictError('A message refers to this file. It is deleted with the last message that does.');
}
