import { and, asc, desc, eq, inArray, ne, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf, newId } from '../db/id.ts';
import { messages } from '../db/tables/thread.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import { makeRoom } from '../threads/make-room.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import { announceThread, requireThread, type Thread } from '../threads/thread.ts';
import { type AnswerDeps, beginAnswers, prepareAnswers } from './begin-answers.ts';
import { commitAnswers } from './commit-answers.ts';
import { readConversation, turnsOf } from './conversation.ts';

/**
 * Adds a person's message and begins one answer per model. Everything is checked before anything is written, everything is
 * committed before it returns, and from then on the server writes the answers whether anyone is listening or not.
 */
export async function sendMessage(
  deps: AnswerDeps,
  viewer: Viewer,
  input: {
    threadId: string;
    text: string;
    modelIds: readonly string[];
    parentId?: string | null | undefined;
    idempotencyKey?: string | null | undefined;
  },
): Promise<{ message: Message; answers: Message[]; thread: Thread }> {
  const text = checkText(input.text);
  checkModelIds(input.modelIds);
  const idempotencyKey = input.idempotencyKey ?? null;
  checkIdempotencyKey(idempotencyKey);
  const found = await requireThread(deps, viewer, input.threadId, 'chat');

  const repeated = await findRepeated(deps.db, viewer, found, idempotencyKey, text);
  if (repeated !== undefined) return { ...repeated, thread: found };

  const parentId = await parentOf(deps.db, found, input.parentId ?? null);
  const conversation = await readConversation(deps, { threadId: found.id, leafId: parentId });
  const turns = turnsOf([...conversation, { role: 'USER', status: 'COMPLETE', text, finishReason: null }]);
  const prepared = await prepareAnswers(deps, viewer, found, input.modelIds);
  const messageId = newId('msg');
  let sent: { message: Message; answers: Message[]; thread: Thread };
  try {
    sent = await commitAnswers(deps, turns, prepared, async (tx) => {
      const { thread, firstPosition } = await makeRoom(tx, viewer, found.id, 1 + prepared.length);
      const [message] = await tx
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
          idempotencyKey,
        })
        .onConflictDoNothing({ target: [messages.threadId, messages.authorId, messages.idempotencyKey] })
        .returning(messageColumns);
      if (message === undefined) throw new RepeatedSendError();
      // Only now is it known to be no repetition, which would need no room.
      deps.running.add(
        viewer.id,
        prepared.map((answer) => answer.live),
      );
      const place = { thread, parentId: messageId, firstPosition: firstPosition + 1 };
      return { message, thread, ...(await beginAnswers(tx, deps, viewer, place, prepared)) };
    });
  } catch (error) {
    if (!(error instanceof RepeatedSendError)) throw error;
    // The same send came twice at once, and the other one was first.
    const first = await findRepeated(deps.db, viewer, found, idempotencyKey, text);
    if (first === undefined) throw error;
    return { ...first, thread: await requireThread(deps, viewer, found.id, 'read') };
  }
  const { message, answers, thread } = sent;
  announceThread(deps.changes, thread, [message.id, ...answers.map((answer) => answer.id)]);
  return { message, answers, thread: await requireThread(deps, viewer, thread.id, 'read') };
}

class RepeatedSendError extends Error {}

/** What an earlier send with the same idempotency key made. */
async function findRepeated(
  db: Database,
  viewer: Viewer,
  thread: Thread,
  idempotencyKey: string | null,
  text: string,
): Promise<{ message: Message; answers: Message[] } | undefined> {
  if (idempotencyKey === null) return undefined;
  const [message] = await db
    .select(messageColumns)
    .from(messages)
    .where(
      and(
        eq(messages.threadId, thread.id),
        eq(messages.authorId, viewer.id),
        eq(messages.idempotencyKey, idempotencyKey),
      ),
    );
  if (message === undefined) return undefined;
  if (message.text !== text)
    throw new ConflictError(
      'This idempotency key was already used for another message. Use a new one for each message.',
    );
  const answers = await db
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.parentId, message.id), eq(messages.role, 'ASSISTANT')))
    .orderBy(asc(messages.position));
  return { message, answers };
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
        // The length is known without unpacking the text, which may be 8 MiB.
        sql`(octet_length(${messages.text}) > 1000 or ${messages.text} ~ '[^[:space:]]')`,
      ),
    )
    .orderBy(desc(messages.position))
    .limit(1);
  return answer?.id ?? newest.id;
}

function checkText(input: string): string {
  const text = input.replaceAll('\0', '').toWellFormed();
  if (text.trim() === '') throw badInput('text', 'Write something: the text is empty.');
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw badInput('text', 'The text is longer than 256 KiB. Shorten it, or send it in parts.');
  return text;
}

function checkModelIds(modelIds: readonly string[]): void {
  if (modelIds.length < 1 || modelIds.length > MAX_MODELS)
    throw badInput('modelIds', `Choose between 1 and ${MAX_MODELS} models.`);
  if (new Set(modelIds).size < modelIds.length)
    throw badInput('modelIds', 'A model is named twice. Name each model once.');
}

function checkIdempotencyKey(idempotencyKey: string | null): void {
  if (idempotencyKey === null) return;
  if (idempotencyKey.length < 1 || idempotencyKey.length > MAX_IDEMPOTENCY_KEY_LENGTH)
    throw badInput(
      'idempotencyKey',
      `An idempotency key has between 1 and ${MAX_IDEMPOTENCY_KEY_LENGTH} characters.`,
    );
  if (idempotencyKey.includes('\0') || !idempotencyKey.isWellFormed())
    throw badInput('idempotencyKey', 'An idempotency key is text. Use a UUID, for example.');
}

function badInput(path: string, message: string): InvalidInputError {
  return new InvalidInputError([{ path, message }]);
}

const MAX_TEXT_BYTES = 256 * 1024;
const MAX_IDEMPOTENCY_KEY_LENGTH = 200;
const MAX_MODELS = 8; // side by side on one screen
