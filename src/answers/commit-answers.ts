import type { Database } from '../db/database.ts';
import { type AnswerDeps, type PreparedAnswer, startAnswers } from './begin-answers.ts';

/**
 * Commits a transaction that writes the rows of answers which begin, and sets the providers to work. When it fails they are
 * let go, unless it was the commit that failed: it may have happened, and only the word of it been lost. Then they begin as
 * well, since nobody else would ever write or end them; if it did not happen, the first checkpoint finds no rows and ends
 * them.
 */
export async function commitAnswers<Written>(
  deps: AnswerDeps,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
  write: (tx: Pick<Database, 'select' | 'insert' | 'update'>) => Promise<Written>,
): Promise<Written> {
  let isWritten = false;
  try {
    return await deps.db.transaction(async (tx) => {
      const written = await write(tx);
      isWritten = true;
      return written;
    });
  } finally {
    if (isWritten) startAnswers(deps, replyTo, prepared);
    else for (const { live } of prepared) deps.running.remove(live);
  }
}
