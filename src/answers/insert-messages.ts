import { type SQL, sql, type WithSubquery } from 'drizzle-orm';
import type { QueryBuilder } from 'drizzle-orm/pg-core';
import type { Viewer } from '../accounts/session.ts';
import { placeholders } from '../db/prepared.ts';
import { type Statement, statement } from '../db/statement.ts';
import { models, type StoredOptions } from '../db/tables/model.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { workspaceMembers } from '../db/tables/workspace.ts';
import type { Row } from '../db/transaction-at-once.ts';
import { fileList, HAS_FILES } from '../files/attach.ts';
import { areUnchanged, factsOf } from '../keys/availability.ts';
import type { SealedKey } from '../keys/open-secret.ts';
import type { Role } from '../plans-and-roles.ts';
import { MAX_SIBLINGS } from '../threads/siblings.ts';
import { answersOf } from './answers-of-person.ts';
import type { PaidModel } from './find-paying-keys.ts';
import type { LiveAnswer } from './live-answer.ts';
import type { SendState } from './send-state.ts';
import { storedUses, type UsedFiles } from './sent-files.ts';

/** An answer that is about to begin, and the key that will pay for it. */
export type PreparedAnswer = PaidModel & {
  live: LiveAnswer;
  sealedKey: SealedKey;
  options: StoredOptions | null;
  /** The files of the branch. */
  files: UsedFiles;
};

/** The rows to insert: a person's message, unless an earlier one is answered again, and its answers. */
export interface NewMessages {
  /** Null if the parent itself is answered. */
  userMessage: {
    id: string;
    text: string;
    /** Ids of its files. */
    attachmentIds: readonly string[];
    idempotencyKey: string | null;
    inputHash: string | null;
  } | null;
  answers: readonly PreparedAnswer[];
  /** How many answers all servers together may write for the viewer; null if that is not for the database to count. */
  mostOfPerson: number | null;
}

/**
 * The statement that inserts messages at the end of a thread, if everything that decided about them is still as it was read. It
 * returns no row if something has changed, or if the idempotency key has been used meanwhile; then nothing is written. To be
 * sent under the locks of `lockThreadAndKeys`.
 */
export function insertMessages(
  viewer: Viewer,
  { thread, parent }: SendState,
  { userMessage, answers, mostOfPerson }: NewMessages,
): Statement {
  const values = {
    threadId: thread.id,
    viewerId: viewer.id,
    viewerRole: thread.viewerRole,
    parentId: parent?.id ?? null,
    chosenKeys: factsOf(answers.map(({ chosen }) => chosen)),
    answers: JSON.stringify(answers.map(rowOf)),
    count: answers.length + (userMessage === null ? 0 : 1),
    mostBefore: mostOfPerson === null ? null : mostOfPerson - answers.length,
  };
  if (userMessage === null) return insertAnswers(values);
  const { id, text, attachmentIds, idempotencyKey, inputHash } = userMessage;
  const files = fileList(attachmentIds);
  return insertMessageAndAnswers({ ...values, messageId: id, text, files, idempotencyKey, inputHash });
}

/** The thread after messages were inserted, and when they were. */
export interface Inserted {
  lastPosition: number;
  revision: number;
  updatedAt: Date;
  lastMessageAt: Date;
  createdAt: Date;
}

/** Reads the row that the statement returns. */
export function readInserted([lastPosition, revision, ...times]: Row): Inserted {
  const [updatedAt, lastMessageAt, createdAt] = times.map((time) => new Date(String(time)));
  return { lastPosition, revision, updatedAt, lastMessageAt, createdAt } as Inserted;
}

interface InsertValues extends Record<string, unknown> {
  threadId: string;
  viewerId: string;
  viewerRole: Role;
  /** Null for a first message. */
  parentId: string | null;
  /** From `factsOf`. */
  chosenKeys: string;
  /** JSON of `rowOf` for each. */
  answers: string;
  /** How many messages are inserted. */
  count: number;
  /** How many answers may be being written for the viewer before these. */
  mostBefore: number | null;
}

function rowOf({ live, model, apiKeyId, paidBy, options, files }: PreparedAnswer, index: number) {
  const { id: modelId, name: modelName, provider } = model;
  const { id, writerId } = live;
  const asked = { modelId, modelName, provider, apiKeyId, paidBy, options };
  return { id, writerId, place: index + 1, ...asked, attachmentUses: storedUses(files) };
}

const given = placeholders(['threadId', 'viewerId', 'viewerRole', 'count', 'text', 'messageId'] as const);
const parentId = sql`${sql.placeholder('parentId')}::text`;
const mostBefore = sql`${sql.placeholder('mostBefore')}::integer`;

const insertAnswers = statement<InsertValues>((builder) =>
  insertRows(builder, 0, (unchanged) => sql`select ${parentId} as id from ${unchanged}`),
);

const insertMessageAndAnswers = statement<InsertValues & Record<'messageId' | 'text' | 'files', string>>(
  (builder) =>
    insertRows(
      builder,
      1,
      (unchanged) => sql`
      insert into ${messages} (id, thread_id, position, parent_id, role, status, text, author_id, idempotency_key, input_hash)
      select ${given.messageId}, ${given.threadId}, last_position + 1, ${parentId}, 'USER', 'COMPLETE', ${given.text},
        ${given.viewerId}, ${sql.placeholder('idempotencyKey')}, ${sql.placeholder('inputHash')}
      from ${unchanged} where ${HAS_FILES}
      on conflict (thread_id, author_id, idempotency_key) do nothing
      returning id`,
    ),
);

/** `question` gives the id of the message that is answered, and inserts it if it is new. */
function insertRows(builder: QueryBuilder, newQuestions: 0 | 1, question: (unchanged: WithSubquery) => SQL) {
  const unchanged = builder.$with('unchanged', { lastPosition: threads.lastPosition }).as(sql`
    select last_position from ${threads}
    where id = ${given.threadId} and ${IS_AS_READ} and ${areUnchanged(sql.placeholder('chosenKeys'))} and ${HAS_MODELS}
      and (${mostBefore} is null or ${answersOf(given.viewerId)} <= ${mostBefore})`);
  const asked = builder.$with('asked', { id: messages.id }).as(question(unchanged));
  const counted = builder.$with('counted', countedColumns).as(sql`
    update ${threads} set revision = revision + 1, updated_at = now(), last_position = last_position + ${given.count},
      -- now() is the start of the transaction, which may be earlier than that of one committed before.
      last_message_at = greatest(last_message_at, now())
    where id = ${given.threadId} and exists (select from ${asked})
    returning last_position, revision, updated_at, last_message_at, now()::timestamptz(3) as created_at`);
  const begun = builder.$with('begun', { id: messages.id }).as(sql`
    insert into ${messages} (id, thread_id, position, parent_id, role, status, text, author_id,
      model_id, model_name, provider, api_key_id, paid_by, options, attachment_uses, writer_id)
    select answer.id, ${given.threadId}, ${unchanged.lastPosition} + ${sql.raw(`${newQuestions}`)} + answer.place, ${asked.id},
      'ASSISTANT', 'WRITING', '', ${given.viewerId}, answer."modelId", answer."modelName", answer.provider, answer."apiKeyId",
      answer."paidBy", answer.options, answer."attachmentUses", answer."writerId"
    from ${unchanged}, ${asked}, jsonb_to_recordset(${sql.placeholder('answers')}::text::jsonb) as answer(id text,
      "writerId" text, place integer, "modelId" text, "modelName" text, provider text, "apiKeyId" text, "paidBy" text,
      options jsonb, "attachmentUses" jsonb)
    returning id`);
  return builder
    .with(unchanged, asked, counted, begun)
    .select({ ...counted._.selectedFields })
    .from(counted);
}

/** Whether every model is still there: a variant can be removed. */
const HAS_MODELS = sql`not exists (
  select from jsonb_to_recordset(${sql.placeholder('answers')}::text::jsonb) as wanted("modelId" text)
  where not exists (select from ${models} where ${models.id} = wanted."modelId"))`;

const countedColumns = {
  lastPosition: threads.lastPosition,
  revision: threads.revision,
  updatedAt: threads.updatedAt,
  lastMessageAt: threads.lastMessageAt,
  createdAt: messages.createdAt,
};

/** Whether the thread and the viewer's right to write in it are as they were read, and the parent still has room for a reply. */
const IS_AS_READ = sql`(${threads.visibility} = 'WORKSPACE' or ${threads.createdBy} = ${given.viewerId})
  and exists (
    select from ${workspaceMembers} where ${workspaceMembers.workspaceId} = ${threads.workspaceId}
      and ${workspaceMembers.userId} = ${given.viewerId} and ${workspaceMembers.role} = ${given.viewerRole})
  and (${parentId} is null or exists (select from ${messages} where id = ${parentId}))
  and (case when ${parentId} is null
    then (select count(*) from ${messages} where thread_id = ${given.threadId} and parent_id is null)
    else (select count(*) from ${messages} where parent_id = ${parentId}) end) < ${sql.raw(`${MAX_SIBLINGS}`)}`;
