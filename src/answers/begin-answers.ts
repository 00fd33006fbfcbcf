import type { Viewer } from '../accounts/session.ts';
import { newId } from '../db/id.ts';
import { ConflictError, NotFoundError } from '../errors.ts';
import type { Attachment } from '../files/attachment.ts';
import { type Message, newMessage } from '../threads/message.ts';
import { requireSiblingLimit } from '../threads/siblings.ts';
import type { Thread } from '../threads/thread.ts';
import { requireAnswersLeft } from './answers-of-person.ts';
import { requireAttachments } from './attached-files.ts';
import { type BranchFiles, readBranchFiles } from './branch-files.ts';
import { chooseOptions } from './choose-options.ts';
import { type AnswerDeps, commitAnswers } from './commit-answers.ts';
import {
  bytesSaid,
  type ConversationTurn,
  measureConversation,
  readConversation,
  requireContextWindows,
} from './conversation.ts';
import { requirePayingKeys } from './find-paying-keys.ts';
import type { Inserted, NewMessages, PreparedAnswer } from './insert-messages.ts';
import { LiveAnswer } from './live-answer.ts';
import { readSendState, type SendRequest, type SendState } from './send-state.ts';
import { heldBytes, storedUses, useFiles } from './sent-files.ts';
import { requireFilesTaken } from './untaken-files.ts';

/** Answers to begin. */
export interface BeginRequest extends SendRequest {
  /** The person's new message; null if the parent is answered again. */
  message: { text: string; inputHash: string | null; attachmentIds: readonly string[] } | null;
}

/** Answers that have begun, and everything that was read and written for them. */
export interface Begun {
  type: 'begun';
  /** Null if the parent was answered again. */
  userMessage: Message | null;
  answers: Message[];
  /** The thread as it is now. */
  thread: Thread;
  facts: SendFacts;
}

/** What was read about the place of the new messages, without the conversation and the sealed keys. */
export interface SendFacts extends Pick<SendState, 'parent' | 'siblingIds' | 'models' | 'offers'> {
  /** The files of the new message, in its order. */
  attachments: Attachment[];
  /** The newest files of the branch, those of the new message included. */
  branchFiles: Attachment[];
}

/**
 * Begins answers: one statement reads everything, the rules are applied to that, and one transaction writes all rows if nothing
 * has changed meanwhile; else it starts over. The providers are asked while the transaction is being committed. Throws the
 * errors of the rules: NotFoundError, NotPermittedError, InvalidInputError, ModelUnavailableError, BusyError and ConflictError.
 */
export async function beginAnswers(
  deps: AnswerDeps,
  viewer: Viewer,
  request: BeginRequest,
): Promise<Begun | { type: 'repeated'; userMessageId: string }> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const state = await readSendState(deps.db, viewer, request);
    if (state.repeatedId !== null) return { type: 'repeated', userMessageId: state.repeatedId };
    const { message, idempotencyKey } = request;
    const attachments = await requireAttachments(deps, viewer, state.thread, message?.attachmentIds ?? []);
    const newIds = attachments.map(({ id }) => id);
    const files = await readBranchFiles(deps, state.branch, newIds);
    const prepared = await prepareAnswers(deps, viewer, request, state, files);
    const userMessage = message === null ? null : { id: newId('msg'), ...message, idempotencyKey };
    const rows = { userMessage, answers: prepared, mostOfPerson: deps.mostOfPerson };
    const inserted = await insertAndAsk(deps, viewer, request, state, rows);
    const branchFiles = files.files.map(({ attachment }) => attachment);
    if (inserted !== null) return begunFrom(viewer, { ...state, attachments, branchFiles }, rows, inserted);
    if (deps.mostOfPerson !== null)
      await requireAnswersLeft(deps.db, viewer.id, { most: deps.mostOfPerson, wanted: prepared.length });
  }
  throw new ConflictError('The keys or members of this workspace are being changed. Try again in a moment.');
}

/** Applies the rules to what was read, and chooses the key that pays for each model and the form in which it is sent each file. */
async function prepareAnswers(
  deps: AnswerDeps,
  viewer: Viewer,
  request: BeginRequest,
  { thread, parent, siblingIds, branch, models, offers, sealedKeys }: SendState,
  branchFiles: BranchFiles,
): Promise<PreparedAnswer[]> {
  requireSiblingLimit(parent?.id ?? null, siblingIds.length);
  const requested = request.answers.map((answer) => {
    const model = models.get(answer.modelId);
    if (model === undefined) throw new NotFoundError('model in this workspace');
    const options = chooseOptions(deps.providers[model.provider], model, answer);
    return { model, options, path: answer.path.modelId };
  });
  const saidBytes = bytesSaid(branch) + Buffer.byteLength(request.message?.text ?? '');
  const paid = await requirePayingKeys(deps, viewer, thread, requested, offers);
  const withFiles = await Promise.all(
    paid.map(async (each) => ({ ...each, files: await useFiles(deps, branchFiles, saidBytes, each) })),
  );
  if (request.message !== null) await requireFilesTaken(deps, thread, request.message.text, withFiles);
  return withFiles.map((each) => {
    const sealedKey = sealedKeys.get(each.apiKeyId);
    if (sealedKey === undefined) throw new Error('a key was chosen whose record was not read');
    const { provider } = each.model;
    const written = { id: newId('msg'), threadId: thread.id, writerId: deps.lease.serverId };
    const live = new LiveAnswer({ ...written, provider }, deps.mayShow);
    return { ...each, sealedKey, live };
  });
}

/** Reads what the models are sent and inserts the rows. Null if something that was read before has changed. */
async function insertAndAsk(
  deps: AnswerDeps,
  viewer: Viewer,
  request: BeginRequest,
  state: SendState,
  rows: NewMessages,
): Promise<Inserted | null> {
  const { thread, parent, branch } = state;
  const { message } = request;
  const hasFiles = message !== null && message.attachmentIds.length > 0;
  const question = { thread, leafId: parent?.id ?? null, text: message?.text ?? null, hasFiles };
  const conversationBytes = await measureConversation(deps.db, question, branch);
  deps.running.add(
    viewer.id,
    rows.answers.map(({ live, files }) => ({ live, heldBytes: conversationBytes + heldBytes(files) })),
  );
  let turns: ConversationTurn[];
  try {
    const noteBytes = Math.max(...rows.answers.map(({ files }) => files.noteBytes));
    turns = await readConversation(deps, question, branch, noteBytes);
    await requireContextWindows(deps, thread, turns, rows.answers);
  } catch (error) {
    for (const { live } of rows.answers) deps.running.remove(live);
    throw error;
  }
  return await commitAnswers(deps, viewer, state, rows, turns);
}

/** The rows as they were inserted. */
function begunFrom(
  viewer: Viewer,
  state: SendState & Pick<SendFacts, 'attachments' | 'branchFiles'>,
  { userMessage, answers }: NewMessages,
  inserted: Inserted,
): Begun {
  const { createdAt, ...threadChanges } = inserted;
  const { parent, siblingIds, models, offers, attachments, branchFiles } = state;
  const { lastPosition } = inserted;
  const written = { threadId: state.thread.id, authorId: viewer.id, createdAt };
  const parentId = parent?.id ?? null;
  return {
    type: 'begun',
    userMessage:
      userMessage &&
      newMessage({
        ...written,
        id: userMessage.id,
        position: lastPosition - answers.length,
        parentId,
        role: 'USER',
        status: 'COMPLETE',
        text: userMessage.text,
      }),
    answers: answers.map(({ live, model, apiKeyId, paidBy, options, files }, index) =>
      newMessage({
        ...written,
        id: live.id,
        position: lastPosition - answers.length + 1 + index,
        parentId: userMessage?.id ?? parentId,
        role: 'ASSISTANT',
        status: 'WRITING',
        text: '',
        modelId: model.id,
        modelName: model.name,
        provider: model.provider,
        apiKeyId,
        paidBy,
        options,
        attachmentUses: storedUses(files),
      }),
    ),
    thread: { ...state.thread, ...threadChanges },
    facts: { parent, siblingIds, models, offers, attachments, branchFiles },
  };
}

const MAX_ATTEMPTS = 5;
