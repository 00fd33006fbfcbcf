import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Bus } from '../bus/bus.ts';
import { idList } from '../db/is-one-of.ts';
import { lockAnswersOfPerson, lockAttachments, lockThreadAndKeys } from '../db/lock-order.ts';
import { messages } from '../db/tables/thread.ts';
import { transactionAtOnce } from '../db/transaction-at-once.ts';
import { isUnreachable } from '../db/transient-failure.ts';
import { attachFiles, fileList } from '../files/attach.ts';
import type { FileReaderDeps } from '../files/message-files.ts';
import type { ServerLease } from '../fleet/lease.ts';
import { failureCode, failureName, log } from '../log.ts';
import { toAnswerOptions } from '../models/answer-options.ts';
import type { ConversationTurn } from './conversation.ts';
import { discardAnswer, endAnswer } from './end-answer.ts';
import { generateAnswer } from './generate.ts';
import type { GenerateDeps } from './generation-job.ts';
import {
  type Inserted,
  insertMessages,
  type NewMessages,
  type PreparedAnswer,
  readInserted,
} from './insert-messages.ts';
import type { LiveTextDeps } from './live-text.ts';
import type { SendState } from './send-state.ts';
import { SentConversation } from './sent-conversation.ts';
import type { FileUseDeps } from './sent-files.ts';

/** What beginning and generating answers needs. */
export interface AnswerDeps extends GenerateDeps, LiveTextDeps, FileReaderDeps, FileUseDeps {
  bus: Bus;
  /** The lease under which this server writes. */
  lease: ServerLease;
  /** Whether readers may be sent what is written: not while another server may have ended the lease. */
  mayShow(): boolean;
  /** How many answers all servers together may write for a person; null for a lone server, which counts them in memory. */
  mostOfPerson: number | null;
  /** Registers work that outlives its request, so that a shutdown waits for it. */
  track(work: Promise<void>): void;
}

/**
 * Inserts the rows of new answers in one transaction, whose statements are sent together. The providers are asked as soon as the
 * rows are written; the end of an answer waits for the commit, and clients learn its id only after it. Null if something that
 * was read before has changed: then nothing was written.
 */
export async function commitAnswers(
  deps: AnswerDeps,
  viewer: Viewer,
  state: SendState,
  rows: NewMessages,
  turns: readonly ConversationTurn[],
): Promise<Inserted | null> {
  const { answers, userMessage } = rows;
  const attachmentIds = userMessage?.attachmentIds ?? [];
  const apiKeyIds = idList(answers.flatMap((answer) => answer.apiKeyIds));
  const modelIds = idList(answers.map(({ model }) => model.id));
  const locks = [
    lockThreadAndKeys({ threadId: state.thread.id, modelIds, apiKeyIds }),
    ...(rows.mostOfPerson === null ? [] : [lockAnswersOfPerson({ personId: viewer.id })]),
    ...(attachmentIds.length === 0 ? [] : [lockAttachments({ attachmentIds: idList(attachmentIds) })]),
  ];
  const { replies, committed } = transactionAtOnce(deps.db, [
    ...locks,
    insertMessages(viewer, state, rows),
    ...(userMessage === null || attachmentIds.length === 0
      ? []
      : [attachFiles({ messageId: userMessage.id, files: fileList(attachmentIds) })]),
  ]);
  let inserted: Inserted | undefined;
  try {
    const [row] = (await replies[locks.length]) ?? [];
    inserted = row && readInserted(row);
  } catch (error) {
    // The whole transaction was sent: it may have been committed, and only the replies been lost. No other process would write
    // those answers.
    if (isUnreachable(failureCode(error) ?? '')) deps.track(startIfCommitted(deps, turns, answers));
    else discardAnswers(deps, answers);
    throw error;
  }
  if (inserted === undefined) {
    discardAnswers(deps, answers);
    await committed;
    return null;
  }
  const isCommitted = committed.then(
    () => true,
    () => areCommitted(deps, answers),
  );
  startAnswers(deps, turns, answers, isCommitted);
  await committed;
  return inserted;
}

/** Starts the provider calls for one conversation, which no request awaits: `track` registers them. */
function startAnswers(
  deps: AnswerDeps,
  turns: readonly ConversationTurn[],
  answers: readonly PreparedAnswer[],
  isCommitted: Promise<boolean>,
): void {
  for (const { live, model, apiKeyId, keyTenantId, sealedKey, fallbackKeys, options, files } of answers)
    deps.track(
      generateAnswer(deps, {
        live,
        model,
        apiKeyId,
        keyTenantId,
        sealedKey,
        fallbackKeys,
        options: toAnswerOptions(options),
        conversation: new SentConversation(turns, files),
        isCommitted,
      }),
    );
  deps.track(
    isCommitted.then(async (isSaved) => {
      if (isSaved) deps.running.begin(answers.map(({ live }) => live));
      // A shutdown has ended those that had begun before it.
      if (!isSaved || deps.running.isClosed) await interruptAnswers(deps, answers);
    }),
  );
}

async function startIfCommitted(
  deps: AnswerDeps,
  turns: readonly ConversationTurn[],
  answers: readonly PreparedAnswer[],
): Promise<void> {
  if (await areCommitted(deps, answers)) startAnswers(deps, turns, answers, Promise.resolve(true));
  else await interruptAnswers(deps, answers);
}

/** Ends answers that were not committed, or of which that could not be found out: their rows may be there. */
async function interruptAnswers(deps: AnswerDeps, answers: readonly PreparedAnswer[]): Promise<void> {
  await Promise.all(answers.map(({ live }) => endAnswer(deps, live, INTERRUPTED)));
}

function discardAnswers(deps: AnswerDeps, answers: readonly PreparedAnswer[]): void {
  for (const { live } of answers) discardAnswer(deps, live);
}

/** Retries for a minute while the database is away. False if it stays away or the server closes. */
async function areCommitted(
  { db, running }: AnswerDeps,
  [first]: readonly PreparedAnswer[],
): Promise<boolean> {
  if (first === undefined) return false;
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!running.isClosed && performance.now() < giveUpAt) {
    try {
      const rows = await db.select({ id: messages.id }).from(messages).where(eq(messages.id, first.live.id));
      return rows.length > 0;
    } catch (error) {
      log.warn({ answerId: first.live.id, failure: failureName(error) }, 'an answer could not be looked up');
      await sleep(RETRY_MS, undefined, { signal: running.closing }).catch(() => {});
    }
  }
  return false;
}

const INTERRUPTED = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
const PATIENCE_MS = 60_000; // the person still waits for the answer
const RETRY_MS = 1_000;
