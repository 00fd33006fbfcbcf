import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { messages, threads } from '../db/tables/thread.ts';
import { failureName, log } from '../log.ts';
import { announceThread, type Thread } from '../threads/thread.ts';
import { type AnswerDeps, type PreparedAnswer, startAnswers } from './begin-answers.ts';

/**
 * Commits a transaction that writes the rows of answers which begin. When it fails they are let go, unless the database may
 * have committed it and only its word for that was lost: then they stay taken in until it is known, and begin late.
 */
export async function commitAnswers<Written>(
  deps: AnswerDeps,
  thread: Thread,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
  write: (tx: Pick<Database, 'insert' | 'update'>) => Promise<Written>,
): Promise<Written> {
  let isWritten = false;
  try {
    return await deps.db.transaction(async (tx) => {
      const written = await write(tx);
      isWritten = true;
      return written;
    });
  } catch (error) {
    if (isWritten) deps.track(settleDoubt(deps, thread, replyTo, prepared));
    else letGo(deps, prepared);
    throw error;
  }
}

async function settleDoubt(
  deps: AnswerDeps,
  thread: Thread,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
): Promise<void> {
  const answerIds = prepared.map(({ live }) => live.id);
  if (!(await areCommitted(deps, thread.id, answerIds[0] ?? ''))) return letGo(deps, prepared);
  log.warn({ answers: answerIds.length }, 'answers begin whose commit was not acknowledged');
  announceThread(deps.changes, thread, [replyTo.parentId, ...answerIds]);
  startAnswers(deps, replyTo, prepared);
}

/** False also when the server shuts down before the database is back; the next start finds what is there. */
async function areCommitted(deps: AnswerDeps, threadId: string, answerId: string): Promise<boolean> {
  for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS)) {
    try {
      return await deps.db.transaction(async (tx) => {
        // The transaction in doubt holds this row. Whoever gets it after that sees how it ended.
        await tx.select({ id: threads.id }).from(threads).where(eq(threads.id, threadId)).for('update');
        const found = await tx.select({ id: messages.id }).from(messages).where(eq(messages.id, answerId));
        return found.length > 0;
      });
    } catch (error) {
      log.warn(
        { messageId: answerId, failure: failureName(error) },
        'a commit in doubt could not be looked at',
      );
      if (deps.running.isClosed) return false;
      await sleep(delayMs, undefined, { signal: deps.running.closing }).catch(() => {});
    }
  }
}

function letGo({ running }: AnswerDeps, prepared: readonly PreparedAnswer[]): void {
  for (const { live } of prepared) running.remove(live);
}

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;
