import { type Connection, DatabaseAwayError } from './connection.ts';
import type { Database } from './database.ts';
import { begin, commit, lendersOf, sendStatement } from './driver.ts';
import type { Statement } from './statement.ts';

/**
 * Sends a transaction whose statements are known beforehand in one go, from BEGIN to COMMIT, without a wait for any reply. The
 * replies arrive before that of the COMMIT, so a caller can react to them while the transaction is being committed, but must
 * not treat it as saved.
 */
export function transactionAtOnce(db: Database, statements: readonly Statement[]): AtOnce {
  const replies = statements.map(() => Promise.withResolvers<Row[]>());
  const committed = lendersOf(db).atOnce((connection) => sendAtOnce(connection, statements, replies));
  committed.catch((error) => {
    for (const { reject } of replies) reject(error); // of those that were never sent
  });
  for (const { promise } of replies) promise.catch(() => {}); // a caller may be waiting for another one
  return { replies: replies.map(({ promise }) => promise), committed };
}

export interface AtOnce {
  /** One for each statement. It rejects if the statement or an earlier one fails. */
  replies: Promise<Row[]>[];
  /** Resolves once the transaction is saved. Rejects with the failure of the first statement that failed, or of the COMMIT. */
  committed: Promise<void>;
}

/** Values in the order of the columns, as the driver reads them: times are text. */
export type Row = readonly unknown[];

/**
 * Sends everything before its first wait, so that other work on the connection can send nothing in between. There is no ROLLBACK
 * after a COMMIT that failed: it has ended the transaction, and the next one may have begun.
 */
async function sendAtOnce(
  connection: Connection,
  statements: readonly Statement[],
  replies: readonly PromiseWithResolvers<Row[]>[],
): Promise<void> {
  begin(connection);
  for (const [index, each] of statements.entries()) {
    // The driver would send it again after the COMMIT, where it would no longer be part of a transaction.
    const onRetry = () => connection.break(new DatabaseAwayError('CONNECTION_CLOSED'));
    const sent = sendStatement(connection, each, { asArrays: true, onRetry }) as Promise<Row[]>;
    sent.then(replies[index]?.resolve, replies[index]?.reject);
  }
  if (await commit(connection)) return;
  const outcomes = await Promise.allSettled(replies.map(({ promise }) => promise));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  throw failed?.reason ?? new Error('a transaction was committed after one of its statements failed');
}
