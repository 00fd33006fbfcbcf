import { and, asc, eq, exists, or, type SQL, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { attachments, messageAttachments } from '../db/tables/attachment.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { isVisibleTo, ownThreadsTopic } from '../threads/thread.ts';

/** A file in a workspace, without the key of its bytes. */
export type Attachment = Omit<
  typeof attachments.$inferSelect,
  | 'uploads'
  | 'readings'
  | 'readingSince'
  | 'rootId'
  | 'generation'
  | 'version'
  | 'ciphertext'
  | 'tag'
  | 'textBytes'
>;

/**
 * The attachments with these ids that the viewer may see: those that they uploaded, and those of messages that they may see, in
 * workspaces that they are in.
 */
export async function findAttachments(
  { db }: { db: Database },
  viewer: Pick<Viewer, 'id'>,
  ids: readonly string[],
): Promise<Attachment[]> {
  return await db
    .select(attachmentColumns)
    .from(attachments)
    .innerJoin(
      workspaceMembers,
      and(eq(workspaceMembers.workspaceId, attachments.workspaceId), eq(workspaceMembers.userId, viewer.id)),
    )
    .where(
      and(
        isOneOf(attachments.id, idsOf('att', ids)),
        or(eq(attachments.createdBy, viewer.id), isInMessageSeenBy(db, viewer)),
      ),
    );
}

/** The attachments of these messages, in their order. The caller authorises the viewer. */
export async function attachmentsOfMessages(
  { db }: { db: Database },
  messageIds: readonly string[],
): Promise<Map<string, Attachment[]>> {
  const rows = await db
    .select({ messageId: messageAttachments.messageId, attachment: attachmentColumns })
    .from(messageAttachments)
    .innerJoin(attachments, eq(attachments.id, messageAttachments.attachmentId))
    .where(isOneOf(messageAttachments.messageId, idsOf('msg', messageIds)))
    .orderBy(asc(messageAttachments.messageId), asc(messageAttachments.position));
  const byMessage = Map.groupBy(rows, ({ messageId }) => messageId);
  return new Map(
    byMessage.entries().map(([messageId, found]) => [messageId, found.map(({ attachment }) => attachment)]),
  );
}

/** The status of each file that the viewer has uploaded to a workspace and not sent, by its id. */
export async function readUploadStatuses(
  { db }: { db: Database },
  viewer: Pick<Viewer, 'id'>,
  workspace: { id: string },
): Promise<Map<string, string>> {
  const rows = await db
    .select({ id: attachments.id, status: attachments.status })
    .from(attachments)
    .where(
      and(
        eq(attachments.createdBy, viewer.id),
        eq(attachments.workspaceId, workspace.id),
        sql`not ${attachments.isSent}`,
      ),
    );
  return new Map(rows.map(({ id, status }) => [id, status]));
}

/** Announces that an attachment has another status, to the person who uploaded it: no message refers to it yet. */
export function announceAttachment(
  changes: Changes,
  { id, workspaceId, createdBy }: Pick<Attachment, 'id' | 'workspaceId' | 'createdBy'>,
): void {
  if (createdBy !== null) changes.announce(ownThreadsTopic(workspaceId, createdBy), [id]);
}

export const attachmentColumns = {
  id: attachments.id,
  workspaceId: attachments.workspaceId,
  createdBy: attachments.createdBy,
  createdAt: attachments.createdAt,
  fileName: attachments.fileName,
  sizeBytes: attachments.sizeBytes,
  status: attachments.status,
  isSent: attachments.isSent,
  kind: attachments.kind,
  mediaType: attachments.mediaType,
  width: attachments.width,
  height: attachments.height,
  pageCount: attachments.pageCount,
  isEncrypted: attachments.isEncrypted,
  textLength: attachments.textLength,
  textTokens: attachments.textTokens,
  pictureBytes: attachments.pictureBytes,
  pictureMediaType: attachments.pictureMediaType,
  refusedBy: attachments.refusedBy,
  note: attachments.note,
  unreadableAt: attachments.unreadableAt,
  refusalCode: attachments.refusalCode,
  refusal: attachments.refusal,
};

function isInMessageSeenBy(db: Database, viewer: Pick<Viewer, 'id'>): SQL {
  return exists(
    db
      .select({ id: threads.id })
      .from(messageAttachments)
      .innerJoin(messages, eq(messages.id, messageAttachments.messageId))
      .innerJoin(threads, eq(threads.id, messages.threadId))
      .where(and(eq(messageAttachments.attachmentId, attachments.id), isVisibleTo(viewer.id))),
  );
}
