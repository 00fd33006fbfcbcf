import { and, asc, desc, eq, gt, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { isOneOf } from '../db/is-one-of.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { messages } from '../db/tables/thread.ts';
import { findThreads, type Thread } from './thread.ts';

/** A message as it is stored. The text of an answer that is being written is not in its row: see `withLiveText`. */
export type Message = Omit<
  typeof messages.$inferSelect,
  'idempotencyKey' | 'inputHash' | 'writerId' | 'stopAskedAt' | 'keptReasoning'
>;

/** The messages with these ids in threads that the viewer may see. */
export async function findMessages(
  deps: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Message[]> {
  const found = await readMessages(deps, ids);
  const threadIds = new Set(found.map((message) => message.threadId));
  const visible = new Set((await findThreads(deps, viewer, [...threadIds])).map((thread) => thread.id));
  return found.filter((message) => visible.has(message.threadId));
}

/** The messages of a thread, oldest first. The caller authorises the viewer. */
export async function listMessages(
  { db }: { db: Database },
  thread: Pick<Thread, 'id'>,
  page: PageInput,
): Promise<Page<Message>> {
  return await readPage<Message>(page, {
    column: messages.position,
    order: 'ascending',
    maxRows: 100,
    valueOf: (message) => message.position,
    read: (conditions, orderBy, limit) =>
      db
        .select(messageColumns)
        .from(messages)
        .where(and(eq(messages.threadId, thread.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit),
  });
}

/** Messages by id, in no particular order. The caller authorises the viewer. */
export async function readMessages({ db }: { db: Database }, ids: readonly string[]): Promise<Message[]> {
  return await db
    .select(messageColumns)
    .from(messages)
    .where(inArray(messages.id, idsOf('msg', ids)));
}

export type MessageRole = Message['role'];

/** The roles of these messages, by id. The caller authorises the viewer. */
export async function readRoles(
  { db }: { db: Database },
  ids: readonly string[],
): Promise<Map<string, MessageRole>> {
  const rows = await db
    .select({ id: messages.id, role: messages.role })
    .from(messages)
    .where(isOneOf(messages.id, idsOf('msg', ids)));
  return new Map(rows.map(({ id, role }) => [id, role]));
}

/** Which of these messages exist. */
export async function existingIds({ db }: { db: Database }, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .select({ id: messages.id })
    .from(messages)
    .where(inArray(messages.id, [...ids]));
  return new Set(rows.map((row) => row.id));
}

/** The first few messages of a thread behind a position, oldest first. Fewer than `MESSAGES_AT_ONCE` are the last. */
export async function messagesAfter(
  { db }: { db: Database },
  threadId: string,
  position: number,
): Promise<Message[]> {
  return await db
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.threadId, threadId), gt(messages.position, position)))
    .orderBy(asc(messages.position))
    .limit(MESSAGES_AT_ONCE);
}

/** The answers of a thread that are being written, oldest first. */
export async function writingMessages({ db }: { db: Database }, threadId: string): Promise<Message[]> {
  return await db
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.threadId, threadId), eq(messages.status, 'WRITING')))
    .orderBy(asc(messages.position));
}

/** The newest answer of each of these threads, by thread. */
export async function newestAnswers(
  { db }: { db: Database },
  threadIds: readonly string[],
): Promise<Map<string, Message>> {
  const rows = await db
    .selectDistinctOn([messages.threadId], messageColumns)
    .from(messages)
    .where(and(inArray(messages.threadId, [...threadIds]), eq(messages.role, 'ASSISTANT')))
    .orderBy(messages.threadId, desc(messages.position));
  return new Map(rows.map((message) => [message.threadId, message]));
}

/** A message that is being inserted, as its row will be read. */
export function newMessage(
  given: Pick<
    Message,
    'id' | 'threadId' | 'position' | 'parentId' | 'role' | 'status' | 'text' | 'authorId' | 'createdAt'
  > &
    Partial<
      Pick<
        Message,
        'modelId' | 'modelName' | 'provider' | 'apiKeyId' | 'paidBy' | 'options' | 'attachmentUses'
      >
    >,
): Message {
  return {
    reasoning: '',
    citations: [],
    modelId: null,
    modelName: null,
    provider: null,
    apiKeyId: null,
    paidBy: null,
    options: null,
    attachmentUses: null,
    attempts: [],
    finishReason: null,
    providerFinishReason: null,
    errorCode: null,
    errorRetryAt: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
    isUsageEstimated: null,
    ...given,
  };
}

export const messageColumns = {
  id: messages.id,
  threadId: messages.threadId,
  position: messages.position,
  parentId: messages.parentId,
  role: messages.role,
  status: messages.status,
  text: messages.text,
  reasoning: messages.reasoning,
  citations: messages.citations,
  authorId: messages.authorId,
  createdAt: messages.createdAt,
  modelId: messages.modelId,
  modelName: messages.modelName,
  provider: messages.provider,
  apiKeyId: messages.apiKeyId,
  paidBy: messages.paidBy,
  options: messages.options,
  attachmentUses: messages.attachmentUses,
  attempts: messages.attempts,
  finishReason: messages.finishReason,
  providerFinishReason: messages.providerFinishReason,
  errorCode: messages.errorCode,
  errorRetryAt: messages.errorRetryAt,
  inputTokens: messages.inputTokens,
  outputTokens: messages.outputTokens,
  cachedInputTokens: messages.cachedInputTokens,
  cacheWriteTokens: messages.cacheWriteTokens,
  reasoningTokens: messages.reasoningTokens,
  isUsageEstimated: messages.isUsageEstimated,
};

/** Batch size for a follower that is behind: each message may be 8 MiB long. */
export const MESSAGES_AT_ONCE = 16;
