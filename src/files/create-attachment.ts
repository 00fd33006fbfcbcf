import { and, count, eq, ne, sql, sum } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Transaction } from '../audit/record-audit.ts';
import { lockWorkspaceForNoKeyUpdate } from '../db/lock-order.ts';
import { attachments } from '../db/tables/attachment.ts';
import { ConflictError, InvalidInputError } from '../errors.ts';
import { sanitizeLine } from '../sanitize-line.ts';
import { requirePlanForFiles } from '../workspaces/plan.ts';
import { requireWorkspace } from '../workspaces/workspace.ts';
import { type Attachment, attachmentColumns } from './attachment.ts';
import type { FileDeps } from './file-deps.ts';
import type { FileUrl } from './file-urls.ts';
import type { FileNumbers } from './upload-limits.ts';

/** Announces a file, and makes the link with which its bytes are sent. */
export async function createAttachment(
  deps: Pick<FileDeps, 'db' | 'fileUrls' | 'fileNumbers'>,
  viewer: Viewer,
  input: { workspaceId: string; fileName: string; sizeBytes: number },
): Promise<{ attachment: Attachment; upload: FileUrl }> {
  const { fileNumbers, fileUrls } = deps;
  const fileName = checkFileName(input.fileName);
  const sizeBytes = checkSize(input.sizeBytes, fileName, fileNumbers);
  const { id: workspaceId, plan } = await requireWorkspace(deps, viewer, input.workspaceId, 'chat');
  requirePlanForFiles(plan);
  const attachment = await deps.db.transaction(async (tx) => {
    await lockWorkspaceForNoKeyUpdate(tx, workspaceId);
    await requireWorkspace({ db: tx }, viewer, workspaceId, 'chat');
    await requireRoom(tx, workspaceId, { sizeBytes, fileNumbers });
    await requireFewUnsent(tx, workspaceId, viewer);
    const [made] = await tx
      .insert(attachments)
      .values({ workspaceId, createdBy: viewer.id, fileName, sizeBytes })
      .returning(attachmentColumns);
    if (made === undefined) throw new Error('an inserted attachment was not returned');
    return made;
  });
  return { attachment, upload: fileUrls.forUpload(attachment) };
}

/** The name of a file without what could lead out of a folder or disguise it. Throws InvalidInputError. */
function checkFileName(text: string): string {
  const fileName = sanitizeLine(text).replace(/[/\\]/g, '_');
  if (fileName.length >= 1 && fileName.length <= MAX_FILE_NAME_LENGTH) return fileName;
  throw new InvalidInputError(
    'fileName',
    `The name of a file has between 1 and ${MAX_FILE_NAME_LENGTH} characters.`,
  );
}

function checkSize(sizeBytes: number, fileName: string, { maxFileBytes }: FileNumbers): number {
  if (sizeBytes < 1) throw new InvalidInputError('sizeBytes', `"${fileName}" is empty. Choose another file.`);
  if (sizeBytes <= maxFileBytes) return sizeBytes;
  throw new InvalidInputError(
    'sizeBytes',
    `"${fileName}" has ${mebibytes(sizeBytes)}, and a file may have at most ${mebibytes(maxFileBytes)}. Shorten or split it.`,
  );
}

/** Throws ConflictError if the files of the workspace would be too large together. The caller has locked its row. */
async function requireRoom(
  tx: Transaction,
  workspaceId: string,
  { sizeBytes, fileNumbers: { maxWorkspaceBytes } }: { sizeBytes: number; fileNumbers: FileNumbers },
): Promise<void> {
  // What was read of a file is kept beside it.
  const kept = sql`${attachments.sizeBytes}::bigint + coalesce(${attachments.textBytes}, 0) + coalesce(${attachments.pictureBytes}, 0)`;
  const [row] = await tx
    .select({ bytes: sum(kept).mapWith(Number) })
    .from(attachments)
    .where(and(eq(attachments.workspaceId, workspaceId), ne(attachments.status, 'REFUSED')));
  if ((row?.bytes ?? 0) + sizeBytes <= maxWorkspaceBytes) return;
  throw new ConflictError(
    `The files of this workspace have ${mebibytes(row?.bytes ?? 0)}, and may have at most ${mebibytes(maxWorkspaceBytes)} together. Delete threads with files, or ask the operator of this server for more.`,
  );
}

/** Throws ConflictError if the viewer keeps files here for no message. */
async function requireFewUnsent(tx: Transaction, workspaceId: string, viewer: Viewer): Promise<void> {
  const [row] = await tx
    .select({ total: count() })
    .from(attachments)
    .where(
      and(
        eq(attachments.workspaceId, workspaceId),
        eq(attachments.createdBy, viewer.id),
        sql`not ${attachments.isSent}`,
      ),
    );
  if ((row?.total ?? 0) < MAX_UNSENT) return;
  throw new ConflictError(
    `You have ${MAX_UNSENT} files here that are in no message, which is the most. Send or remove some first.`,
  );
}

/** Rounded up to a tenth, so that a file that is too large does not seem to have just the right size. */
function mebibytes(bytes: number): string {
  return `${NUMBER.format(Math.ceil((bytes * 10) / 2 ** 20) / 10)} MiB`;
}

const NUMBER = new Intl.NumberFormat('en');
const MAX_FILE_NAME_LENGTH = 255; // as most file systems have it
const MAX_UNSENT = 100; // several messages full
