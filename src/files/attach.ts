import { type SQL, sql } from 'drizzle-orm';
import { statement } from '../db/statement.ts';
import { attachments, messageAttachments } from '../db/tables/attachment.ts';
import { messages } from '../db/tables/thread.ts';

/** Files of a message that is being sent, as one parameter of a statement. */
export function fileList(attachmentIds: readonly string[]): string {
  return JSON.stringify(attachmentIds.map((id, index) => ({ id, place: index + 1 })));
}

/**
 * Whether the files of the placeholder `files`, filled with `fileList`, are there and READY. True until the transaction ends under
 * the locks of `lockAttachments`.
 */
export const HAS_FILES: SQL<boolean> = sql`not exists (
  select from ${fileRows()} where not exists (
    select from ${attachments} where ${attachments.id} = file.id and ${attachments.status} = 'READY'))`;

/** Makes a message refer to these files, if it was inserted. From then on they are deleted with the last message that does. */
export const attachFiles = statement<{ messageId: string; files: string }>((builder) => {
  const attached = builder.$with('attached', { attachmentId: messageAttachments.attachmentId }).as(sql`
    insert into ${messageAttachments} (message_id, attachment_id, position)
    select ${messages.id}, file.id, file.place from ${messages}, ${fileRows()}
    where ${messages.id} = ${sql.placeholder('messageId')}
    returning attachment_id`);
  const marked = builder.$with('marked', { id: attachments.id }).as(sql`
    update ${attachments} set is_sent = true
    where id in (select attachment_id from ${attached}) and not is_sent
    returning id`);
  return builder.with(attached, marked).select({ id: marked.id }).from(marked);
});

function fileRows(): SQL {
  return sql`jsonb_to_recordset(${sql.placeholder('files')}::text::jsonb) as file(id text, place integer)`;
}
