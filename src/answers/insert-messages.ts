import { type SQL, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import { areUnchanged } from '../keys/availability.ts';
import type { SealedKey } from '../keys/open-secret.ts';
import { MAX_SIBLINGS } from '../threads/siblings.ts';
import { leaseFromNow } from './checkpoint.ts';
import type { PaidModel } from './find-paying-keys.ts';
import type { LiveAnswer } from './live-answer.ts';
import type { SendState } from './send-state.ts';

/** An answer that is about to begin, and the key that will pay for it. */
export type PreparedAnswer = PaidModel & { live: LiveAnswer; sealedKey: SealedKey };

/** The rows to insert: a person's message, unless an earlier one is answered again, and its answers. */
export interface NewMessages {
  /** Null if the parent itself is answered. */
  userMessage: { id: string; text: string; idempotencyKey: string | null; inputHash: string | null } | null;
  answers: readonly PreparedAnswer[];
  writerId: string;
}

/**
 * Inserts messages at the end of a thread in one statement, if everything that decided about them is still as it was read. No
 * row is returned if something has changed, or if the idempotency key has been used meanwhile; then nothing was written. To be
 * called under the locks of `lockThreadAndKeys`.
 */
export function insertMessages(tx: Database, viewer: Viewer, state: SendState, rows: NewMessages) {
  const { userMessage, answers, writerId } = rows;
  const { thread, parent } = state;
  const unchanged = tx.$with('unchanged', { lastPosition: threads.lastPosition }).as(sql`
    select last_position from ${threads}
    where ${threads.id} = ${thread.id} and ${isAsRead(viewer, state)}
      and ${areUnchanged(answers.map(({ chosen }) => chosen))}`);
  const asked = tx.$with('asked', { id: messages.id }).as(
    userMessage === null
      ? sql`select id from ${messages} where id = ${parent?.id ?? null} and exists (select from ${unchanged})`
      : sql`
        insert into ${messages} (id, thread_id, position, parent_id, role, status, text, author_id, idempotency_key, input_hash)
        select ${userMessage.id}, ${thread.id}, ${unchanged.lastPosition} + 1, ${parent?.id ?? null}, 'USER', 'COMPLETE',
          ${userMessage.text}, ${viewer.id}, ${userMessage.idempotencyKey}, ${userMessage.inputHash}
        from ${unchanged}
        on conflict (thread_id, author_id, idempotency_key) do nothing
        returning id`,
  );
  const before = userMessage === null ? 0 : 1;
  const counted = tx.$with('counted', countedColumns).as(sql`
      update ${threads} set revision = revision + 1, updated_at = now(),
        last_position = last_position + ${before + answers.length},
        -- now() is the start of the transaction, which may be earlier than that of one committed before.
        last_message_at = greatest(last_message_at, now())
      where id = ${thread.id} and exists (select from ${asked})
      returning last_position, revision, updated_at, last_message_at, now()::timestamptz(3) as created_at`);
  const begun = tx.$with('begun', { id: messages.id }).as(sql`
    insert into ${messages} (id, thread_id, position, parent_id, role, status, text, author_id,
      model_id, model_name, provider, api_key_id, paid_by, writer_id, lease_until, fence)
    select answer.id, ${thread.id}, ${unchanged.lastPosition} + ${before} + answer.number, ${asked.id}, 'ASSISTANT', 'WRITING', '',
      ${viewer.id}, answer."modelId", answer."modelName", answer.provider, answer."apiKeyId", answer."paidBy",
      ${writerId}, ${leaseFromNow()}, answer.fence
    from ${unchanged}, ${asked}, ${recordset(answers)}
    returning id`);
  return tx
    .with(unchanged, asked, counted, begun)
    .select({ ...counted._.selectedFields })
    .from(counted);
}

/** The thread after the messages were inserted, and when they were. */
export type Inserted = Awaited<ReturnType<typeof insertMessages>>[number];

const countedColumns = {
  lastPosition: threads.lastPosition,
  revision: threads.revision,
  updatedAt: threads.updatedAt,
  lastMessageAt: threads.lastMessageAt,
  createdAt: messages.createdAt,
};

/** Whether the thread and the viewer's right to write in it are as they were read, and the parent still has room for a reply. */
function isAsRead(viewer: Viewer, { thread, parent }: SendState): SQL {
  const isMember = sql`exists (
    select from ${workspaceMembers} where ${workspaceMembers.workspaceId} = ${threads.workspaceId}
      and ${workspaceMembers.userId} = ${viewer.id} and ${workspaceMembers.role} = ${thread.viewerRole})`;
  const hasRoom =
    parent === null
      ? sql`(select count(*) from ${messages} where thread_id = ${thread.id} and parent_id is null) < ${MAX_SIBLINGS}`
      : sql`exists (select from ${messages} where id = ${parent.id})
          and (select count(*) from ${messages} where parent_id = ${parent.id}) < ${MAX_SIBLINGS}`;
  return sql`(${threads.visibility} = 'WORKSPACE' or ${threads.createdBy} = ${viewer.id}) and ${isMember} and ${hasRoom}`;
}

function recordset(answers: readonly PreparedAnswer[]): SQL {
  const rows = answers.map(({ live, model, apiKeyId, paidBy }, index) => ({
    number: index + 1,
    id: live.id,
    modelId: model.id,
    modelName: model.name,
    provider: model.provider,
    apiKeyId,
    paidBy,
    fence: live.fence,
  }));
  return sql`jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as answer(number integer, id text, "modelId" text,
    "modelName" text, provider text, "apiKeyId" text, "paidBy" text, fence integer)`;
}
