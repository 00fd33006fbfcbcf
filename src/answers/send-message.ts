import { hash } from 'node:crypto';
import { and, asc, eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { messages } from '../db/tables/thread.ts';
import { ConflictError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { SingleFlight } from '../single-flight.ts';
import { type Message, messageColumns } from '../threads/message.ts';
import { announceThread, requireThread, type Thread } from '../threads/thread.ts';
import { type AnswerInput, checkAnswers, hashedOf } from './answer-input.ts';
import { checkAttachmentIds } from './attached-files.ts';
import { beginAnswers, type SendFacts } from './begin-answers.ts';
import type { AnswerDeps } from './commit-answers.ts';
import type { RequestedAnswer } from './send-state.ts';

/**
 * Adds a person's message and begins one answer per model. Input is checked before anything is written, all rows are committed
 * before it returns, and the server then writes the answers with or without a reader.
 */
export async function sendMessage(
  deps: SendDeps,
  viewer: Viewer,
  input: {
    threadId: string;
    text?: string | null | undefined;
    attachmentIds?: readonly string[] | null | undefined;
    modelIds?: readonly string[] | null | undefined;
    answers?: readonly AnswerInput[] | null | undefined;
    parentId?: string | null | undefined;
    idempotencyKey?: string | null | undefined;
  },
): Promise<SentMessage> {
  const attachmentIds = checkAttachmentIds(input.attachmentIds ?? []);
  const text = checkText(input.text ?? '', attachmentIds);
  const answers = checkAnswers(input);
  const idempotencyKey = input.idempotencyKey ?? null;
  checkIdempotencyKey(idempotencyKey);
  const { threadId } = input;
  const parentId = input.parentId ?? null;
  const send = { threadId, text, attachmentIds, answers, parentId };
  if (idempotencyKey === null) return await sendNow(deps, viewer, { ...send, repeatable: null });
  const asked = input.modelIds ?? input.answers?.map(hashedOf);
  // A message without files has the hash that it had before there were files.
  const files = attachmentIds.length === 0 ? [] : [attachmentIds];
  const inputHash = hashOf([text, asked, parentId, ...files]);
  const repeatable = { idempotencyKey, inputHash };
  // A repeated send that arrives meanwhile waits for the first and counts against no limit.
  const id = JSON.stringify([viewer.id, threadId, repeatable]);
  return await deps.sends.run(id, () => sendNow(deps, viewer, { ...send, repeatable }));
}

export interface SendDeps extends AnswerDeps {
  /** Pending sends with an idempotency key. */
  sends: SingleFlight<SentMessage>;
  /** Called right after a message was announced, before any listener reads, with what the sender's followers would read. */
  onSent(viewer: Viewer, sent: SentMessage): void;
}

export interface SentMessage {
  userMessage: Message;
  answers: Message[];
  thread: Thread;
  /** Null for a message that was sent before. */
  facts: SendFacts | null;
}

interface Send {
  threadId: string;
  text: string;
  attachmentIds: readonly string[];
  answers: readonly RequestedAnswer[];
  parentId: string | null;
  /** Null if the send has no idempotency key, so that a retry adds a second message. */
  repeatable: Repeatable | null;
}

interface Repeatable {
  idempotencyKey: string;
  inputHash: string;
}

async function sendNow(
  deps: SendDeps,
  viewer: Viewer,
  { threadId, text, attachmentIds, answers, parentId, repeatable }: Send,
): Promise<SentMessage> {
  const { idempotencyKey, inputHash } = repeatable ?? { idempotencyKey: null, inputHash: null };
  const request = {
    threadId,
    parentId,
    answers,
    idempotencyKey,
    message: { text, inputHash, attachmentIds },
  };
  const beganAtMs = performance.now();
  const { revision } = deps.changes;
  const begun = await beginAnswers(deps, viewer, request);
  if (begun.type === 'repeated')
    return await readRepeated(deps.db, viewer, begun.userMessageId, { inputHash, text });
  const { userMessage, thread, facts } = begun;
  if (userMessage === null) throw new Error('a message was sent without a message');
  const sent = { userMessage, answers: begun.answers, thread, facts };
  // What was read is current only if nothing was announced meanwhile about the thread or the viewer's rights.
  const isCurrent = deps.changes.isUnchanged([threadId, viewer.id], revision, beganAtMs);
  announceThread(deps.changes, thread, [userMessage.id, ...sent.answers.map((answer) => answer.id)]);
  if (isCurrent) deps.onSent(viewer, sent);
  return sent;
}

/** The result of an earlier send with the same idempotency key. Throws ConflictError if it had another input. */
async function readRepeated(
  db: Database,
  viewer: Viewer,
  userMessageId: string,
  { inputHash, text }: { inputHash: string | null; text: string },
): Promise<SentMessage> {
  const [found] = await db
    .select({ userMessage: messageColumns, inputHash: messages.inputHash })
    .from(messages)
    .where(eq(messages.id, userMessageId));
  if (found === undefined) throw new NotFoundError('message');
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
  const thread = await requireThread({ db }, viewer, userMessage.threadId, 'read');
  return { userMessage, answers, thread, facts: null };
}

/** Hash of all inputs that decide the result of a send. */
function hashOf(inputs: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(inputs), 'base64url');
}

function checkText(input: string, attachmentIds: readonly string[]): string {
  const text = input.replaceAll('\0', '').toWellFormed();
  if (text.trim() === '' && attachmentIds.length === 0)
    throw new InvalidInputError('text', 'Write something: the text is empty.');
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new InvalidInputError('text', 'The text is longer than 256 KiB. Shorten it, or send it in parts.');
  return text;
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
