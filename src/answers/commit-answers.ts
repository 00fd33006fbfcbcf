import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { messages } from '../db/tables/thread.ts';
import { failureName, log } from '../log.ts';
import type { Turn } from '../providers/provider.ts';
import { type AnswerDeps, type PreparedAnswer, startAnswers } from './begin-answers.ts';
import {
  measureConversation,
  type Question,
  readConversation,
  requireContextWindows,
} from './conversation.ts';
import { endAnswer } from './end-answer.ts';

/**
 * Commits a transaction that inserts the rows of new answers, and starts the provider calls. The conversation is measured
 * before it is read, and read once for all answers. Throws BusyError and ModelUnavailableError.
 */
export async function commitAnswers<Written extends { begun: readonly PreparedAnswer[] }>(
  deps: AnswerDeps,
  viewer: Viewer,
  question: Question,
  prepared: readonly PreparedAnswer[],
  write: (tx: Database) => Promise<Written>,
): Promise<Written> {
  const answers = prepared.map(({ live }) => live);
  deps.running.add(viewer.id, answers, await measureConversation(deps.db, question));
  let turns: readonly Turn[] = [];
  let begun: readonly PreparedAnswer[] | undefined;
  try {
    turns = await readConversation(deps, question);
    const models = prepared.map(({ model }) => model);
    await requireContextWindows(deps, question.thread, turns, models);
    const written = await deps.db.transaction(async (tx) => {
      const written = await write(tx);
      begun = written.begun;
      return written;
    });
    startAnswers(deps, turns, written.begun);
    return written;
  } catch (error) {
    // The commit may have succeeded and only its reply been lost. No other process would write those answers.
    if (begun !== undefined) deps.track(startIfCommitted(deps, turns, begun));
    else for (const live of answers) deps.running.remove(live);
    throw error;
  }
}

/** Starts the provider calls only if the rows were committed, so that no key is charged for missing answers. */
async function startIfCommitted(
  deps: AnswerDeps,
  turns: readonly Turn[],
  begun: readonly PreparedAnswer[],
): Promise<void> {
  if (await areCommitted(deps, begun)) return startAnswers(deps, turns, begun);
  const ending = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
  await Promise.all(begun.map(({ live }) => endAnswer(deps, live, ending)));
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

const PATIENCE_MS = 60_000; // the person still waits for the answer
const RETRY_MS = 1_000;
