import type { Database } from '../db/database.ts';
import { type AnswerDeps, type PreparedAnswer, startAnswers } from './begin-answers.ts';

/**
 * Commits a transaction that writes the rows of answers which begin, and sets the providers to work. When it fails they are
 * let go, unless it was the commit that failed: it may have happened, and only the word of it been lost. Then they begin as
 * well, since nobody else would ever write or end them; if it did not happen, the first checkpoint finds no rows and ends
 * them.
 */
export async function commitAnswers<Written extends { begun: readonly PreparedAnswer[] }>(
  deps: AnswerDeps,
  replyTo: { threadId: string; parentId: string },
  prepared: readonly PreparedAnswer[],
  write: (tx: Database) => Promise<Written>,
): Promise<Written> {
  let begun: readonly PreparedAnswer[] | undefined;
  try {
    return await deps.db.transaction(async (tx) => {
      const written = await write(tx);
      begun = written.begun;
      return written;
    });
  } finally {
    if (begun !== undefined) startAnswers(deps, replyTo, begun);
    else for (const { live } of prepared) deps.running.remove(live);
  }
}
