import { hash } from 'node:crypto';
import { and, asc, desc, eq, inArray, ne, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf, newId } from '../db/id.ts';
import { messages } from '../db/tables/thread.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { SingleFlight } from '../single-flight.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import { reservePositions } from '../threads/positions.ts';
import { requireSiblingLimit } from '../threads/siblings.ts';
import { announceThread, requireThread, type Thread } from '../threads/thread.ts';
import { type AnswerDeps, beginAnswers, prepareAnswers } from './begin-answers.ts';
import { commitAnswers } from './commit-answers.ts';

/**
 * Adds a person's message and begins one answer per model. Input is checked before anything is written, all rows are committed
 * before it returns, and the server then writes the answers with or without a reader.
 */
export async function sendMessage(
  deps: SendDeps,
  viewer: Viewer,
  input: {
    threadId: string;
    text: string;
    modelIds: readonly string[];
    parentId?: string | null | undefined;
    idempotencyKey?: string | null | undefined;
  },
): Promise<SentMessage> {
  const text = checkText(input.text);
  checkModelIds(input.modelIds);
  const idempotencyKey = input.idempotencyKey ?? null;
  checkIdempotencyKey(idempotencyKey);
  const thread = await requireThread(deps, viewer, input.threadId, 'chat');

  const send = { text, modelIds: input.modelIds, parentId: input.parentId ?? null };
  if (idempotencyKey === null) return await sendNow(deps, viewer, thread, { ...send, repeatable: null });
  const repeatable = { idempotencyKey, inputHash: hashOf(send) };
  // A repeated send that arrives meanwhile waits for the first and counts against no limit.
  const id = JSON.stringify([viewer.id, thread.id, repeatable]);
  return await deps.sends.run(id, async () => {
    const repeated = await findRepeated(deps.db, viewer, thread, { ...repeatable, text });
    return repeated ?? (await sendNow(deps, viewer, thread, { ...send, repeatable }));
  });
}

export interface SendDeps extends AnswerDeps {
  /** Pending sends with an idempotency key. */
  sends: SingleFlight<SentMessage>;
}

export interface SentMessage {
  userMessage: Message;
  answers: Message[];
  thread: Thread;
}

interface Send {
  text: string;
  modelIds: readonly string[];
  parentId: string | null;
  /** Null if the send has no idempotency key, so that a retry adds a second message. */
  repeatable: Repeatable | null;
}

interface Repeatable {
  idempotencyKey: string;
  inputHash: string;
}

async function sendNow(
  deps: AnswerDeps,
  viewer: Viewer,
  found: Thread,
  { text, modelIds, repeatable, ...named }: Send,
): Promise<SentMessage> {
  const parentId = await parentOf(deps.db, found, named.parentId);
  const prepared = await prepareAnswers(deps, viewer, found, modelIds);
  const messageId = newId('msg');
  const question = { thread: found, leafId: parentId, text };
  let sent: SentMessage;
  try {
    sent = await commitAnswers(deps, viewer, question, prepared, async (tx) => {
      const { thread, firstPosition } = await reservePositions(tx, viewer, found.id, 1 + prepared.length);
      const [userMessage] = await tx
        .insert(messages)
        .values({
          id: messageId,
          threadId: thread.id,
          position: firstPosition,
          parentId,
          role: 'USER',
          status: 'COMPLETE',
          text,
          authorId: viewer.id,
          ...repeatable,
        })
        .onConflictDoNothing({ target: [messages.threadId, messages.authorId, messages.idempotencyKey] })
        .returning(messageColumns);
      if (userMessage === undefined) throw new RepeatedSendError();
      await requireSiblingLimit(tx, userMessage);
      const place = { thread, parentId: messageId, firstPosition: firstPosition + 1 };
      return { userMessage, thread, ...(await beginAnswers(tx, deps, viewer, place, prepared)) };
    });
  } catch (error) {
    if (!(error instanceof RepeatedSendError) || repeatable === null) throw error;
    // A concurrent send with the same key, with another input or on another server, was first.
    const first = await findRepeated(deps.db, viewer, found, { ...repeatable, text });
    if (first === undefined) throw error;
    return first;
  }
  const { userMessage, answers, thread } = sent;
  announceThread(deps.changes, thread, [userMessage.id, ...answers.map((answer) => answer.id)]);
  return { userMessage, answers, thread: await requireThread(deps, viewer, thread.id, 'read') };
}

class RepeatedSendError extends Error {}

/** The result of an earlier send with the same idempotency key. Throws ConflictError if it had another input. */
async function findRepeated(
  db: Database,
  viewer: Viewer,
  { id: threadId }: Thread,
  { idempotencyKey, inputHash, text }: Repeatable & { text: string },
): Promise<SentMessage | undefined> {
  const [found] = await db
    .select({ userMessage: messageColumns, inputHash: messages.inputHash })
    .from(messages)
    .where(
      and(
        eq(messages.threadId, threadId),
        eq(messages.authorId, viewer.id),
        eq(messages.idempotencyKey, idempotencyKey),
      ),
    );
  if (found === undefined) return undefined;
  const { userMessage } = found;
  // Messages of 0.1 have no hash.
  const isSame = found.inputHash === null ? userMessage.text === text : found.inputHash === inputHash;
  if (!isSame)
    throw new ConflictError(
      'This idempotency key was already used for another message. Use a new one for each message.',
    );
  const answers = await db
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.parentId, userMessage.id), eq(messages.role, 'ASSISTANT')))
    .orderBy(asc(messages.position));
  return { userMessage, answers, thread: await requireThread({ db }, viewer, threadId, 'read') };
}

/** Hash of all inputs that decide the result of a send. */
function hashOf({ text, modelIds, parentId }: Omit<Send, 'repeatable'>): string {
  return hash('sha256', JSON.stringify([text, modelIds, parentId]), 'base64url');
}

/**
 * The message to reply to: the one named, else the newest answer to the newest question that has ended with some text, else
 * that question. An answer that failed empty or is still being written would leave the model without the other answers.
 */
async function parentOf(db: Database, thread: Thread, parentId: string | null): Promise<string | null> {
  if (parentId !== null) {
    const [parent] = await db
      .select({ id: messages.id })
      .from(messages)
      .where(and(eq(messages.threadId, thread.id), inArray(messages.id, idsOf('msg', [parentId]))));
    if (parent === undefined) throw new NotFoundError('parent message');
    return parent.id;
  }
  const [newest] = await db
    .select({ id: messages.id })
    .from(messages)
    .where(and(eq(messages.threadId, thread.id), eq(messages.role, 'USER')))
    .orderBy(desc(messages.position))
    .limit(1);
  if (newest === undefined) return null;
  const [answer] = await db
    .select({ id: messages.id })
    .from(messages)
    .where(
      and(
        eq(messages.parentId, newest.id),
        eq(messages.role, 'ASSISTANT'),
        ne(messages.status, 'WRITING'),
        // The length is known without decompressing the text, which may be 8 MiB.
        sql`(octet_length(${messages.text}) > 1000 or ${messages.text} ~ '[^[:space:]]')`,
      ),
    )
    .orderBy(desc(messages.position))
    .limit(1);
  return answer?.id ?? newest.id;
}

function checkText(input: string): string {
  const text = input.replaceAll('\0', '').toWellFormed();
  if (text.trim() === '') throw new InvalidInputError('text', 'Write something: the text is empty.');
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new InvalidInputError('text', 'The text is longer than 256 KiB. Shorten it, or send it in parts.');
  return text;
}

function checkModelIds(modelIds: readonly string[]): void {
  if (modelIds.length < 1 || modelIds.length > MAX_MODELS)
    throw new InvalidInputError('modelIds', `Choose between 1 and ${MAX_MODELS} models.`);
  if (new Set(modelIds).size < modelIds.length)
    throw new InvalidInputError('modelIds', 'A model is named twice. Name each model once.');
}

function checkIdempotencyKey(idempotencyKey: string | null): void {
  if (idempotencyKey === null) return;
  if (idempotencyKey.length < 1 || idempotencyKey.length > MAX_IDEMPOTENCY_KEY_LENGTH)
    throw new InvalidInputError(
      'idempotencyKey',
      `An idempotency key has between 1 and ${MAX_IDEMPOTENCY_KEY_LENGTH} characters.`,
    );
  if (idempotencyKey.includes('\0') || !idempotencyKey.isWellFormed())
    throw new InvalidInputError('idempotencyKey', 'An idempotency key is text. Use a UUID, for example.');
}

const MAX_TEXT_BYTES = 256 * 1024;
const MAX_IDEMPOTENCY_KEY_LENGTH = 200;
const MAX_MODELS = 8; // side by side on one screen
