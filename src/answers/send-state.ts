import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { idList } from '../db/is-one-of.ts';
import { jsonRows } from '../db/json-rows.ts';
import { anyText, prepared } from '../db/prepared.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { models } from '../db/tables/model.ts';
import { messages } from '../db/tables/thread.ts';
import { NotFoundError } from '../errors.ts';
import { availabilityFrom, type ModelAvailability, selectCandidates } from '../keys/availability.ts';
import { type SealedKey, sealedKeyColumns } from '../keys/open-secret.ts';
import type { GivenOptions } from '../models/answer-options.ts';
import { type Model, selectModelsInWorkspace } from '../models/catalogue.ts';
import type { Message } from '../threads/message.ts';
import { siblingIdsColumn } from '../threads/siblings.ts';
import { selectThreads, type Thread } from '../threads/thread.ts';
import { requireRole } from '../workspaces/permissions.ts';
import { type Branch, branchColumn } from './conversation.ts';

/** What is asked, and where in the thread. */
export interface SendRequest {
  threadId: string;
  /** The message to reply to; null for the newest one that has an answer, or is a question. */
  parentId: string | null;
  answers: readonly RequestedAnswer[];
  /** Null if a retry adds a second message. */
  idempotencyKey: string | null;
}

/** An answer that a person asks for. */
export interface RequestedAnswer {
  modelId: string;
  /** Replace those of a variant, or of the answer that is repeated. */
  options: GivenOptions;
  /** The answer that is repeated; null for none. */
  repeats: Pick<Message, 'modelId' | 'options'> | null;
  /** Names of the input fields, for errors. */
  path: { modelId: string; options: string };
}

/** Everything that the rules of beginning answers need, of one moment. */
export interface SendState {
  thread: Thread;
  /** The message that is replied to; null for the first message of the thread. */
  parent: { id: string; role: 'USER' | 'ASSISTANT' } | null;
  /** Ids of the messages that reply to the same, oldest first. */
  siblingIds: string[];
  branch: Branch;
  /** The models by the id that was asked for. */
  models: Map<string, Model>;
  /** By model id. */
  offers: Map<string, ModelAvailability>;
  /** The sealed record of every key that could pay, by its id. */
  sealedKeys: Map<string, SealedKey>;
  /** The message that was sent with the same idempotency key before; null for none. */
  repeatedId: string | null;
}

/**
 * Reads in one statement what decides whether and how answers begin. Throws NotFoundError for a thread that the viewer cannot
 * see or a message that is not in it, and NotPermittedError without the right to write there.
 */
export async function readSendState(db: Database, viewer: Viewer, request: SendRequest): Promise<SendState> {
  const { threadId, parentId, answers, idempotencyKey } = request;
  const values = {
    viewerId: viewer.id,
    threadId: idList(idsOf('thr', [threadId])),
    threadIds: idList(idsOf('thr', [threadId])),
    modelIds: idList(
      idsOf(
        'mdl',
        answers.map(({ modelId }) => modelId),
      ),
    ),
    idempotencyKey,
  };
  const [row] =
    parentId === null
      ? await stateAtNewest(db).execute(values)
      : await stateAtParent(db).execute({ ...values, parentId: idList(idsOf('msg', [parentId])) });
  if (row === undefined) throw new NotFoundError('thread');
  requireRole(row.thread.viewerRole, 'chat');
  if (parentId !== null && row.parent === null) throw new NotFoundError('parent message');
  return {
    ...row,
    models: new Map(row.models.map(({ askedId, ...model }) => [askedId, model as Model])),
    offers: availabilityFrom(
      row.candidates,
      row.models.map(({ id }) => id),
    ),
    sealedKeys: new Map(row.sealedKeys.map((key) => [key.id, key])),
  };
}

const threadId = anyText('threadId');
const viewerId = anyText('viewerId');

/** The message that is named in the placeholder `parentId`, if it is in the thread. */
const NAMED = sql`select id, role from ${messages} where id = ${anyText('parentId')} and thread_id = ${threadId}`;

/**
 * The newest answer to the newest question that has ended with some text, else that question. An answer that failed empty or is
 * still being written would leave the model without the other answers.
 */
const NEWEST = sql`
  select coalesce(answer.id, question.id) as id, coalesce(answer.role, question.role) as role
  from (
    select id, role from ${messages} where thread_id = ${threadId} and role = 'USER' order by position desc limit 1
  ) as question left join lateral (
    select id, role from ${messages} as reply
    where reply.parent_id = question.id and role = 'ASSISTANT' and status <> 'WRITING'
      -- The length is known without decompressing the text, which may be 8 MiB.
      and (octet_length(text) > 1000 or text ~ '[^[:space:]]')
    order by position desc limit 1
  ) as answer on true`;

const stateAtNewest = prepared((db) => selectState(db, NEWEST).prepare('send_state_at_newest'));
const stateAtParent = prepared((db) => selectState(db, NAMED).prepare('send_state_at_parent'));

function selectState(db: Database, parentQuery: SQL) {
  const found = db.$with('found').as(selectThreads(db));
  const parent = db.$with('parent', { id: messages.id, role: messages.role }).as(parentQuery);
  const ofFound = (column: SQLWrapper) => sql`(select ${column} from ${found})`;
  const workspace = { id: ofFound(found.workspaceId), teamId: ofFound(found.teamId) };
  const resolved = db.$with('resolved').as(selectModelsInWorkspace(db, workspace, { viewerId, threadId }));
  const candidates = db
    .$with('candidates')
    .as(selectCandidates(db, sql`${models.id} in (select ${resolved.id} from ${resolved})`));
  const sealed = db
    .select(sealedKeyColumns)
    .from(apiKeys)
    .where(sql`${apiKeys.id} in (select ${candidates.apiKeyId} from ${candidates})`)
    .as('sealed');
  const repeatedId: SQL<string | null> = sql`(
    select id from ${messages}
    where thread_id = ${threadId} and author_id = ${viewerId} and idempotency_key = ${anyText('idempotencyKey')})`;
  return db
    .with(found, parent, resolved, candidates)
    .select({
      thread: { ...found._.selectedFields },
      parent: { id: parent.id, role: parent.role },
      siblingIds: siblingIdsColumn(threadId, parent.id),
      branch: branchColumn(parent.id),
      models: jsonRows(resolved),
      candidates: jsonRows(candidates),
      sealedKeys: jsonRows(sealed),
      repeatedId,
    })
    .from(found)
    .leftJoin(parent, sql`true`);
}
