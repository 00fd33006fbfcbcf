import { sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';

/** Whether the database answers within two seconds and takes writes; a standby or one with a full disk does not. */
export async function isReady(db: Database): Promise<boolean> {
  return (await probe(db)) === 'writes';
}

/**
 * Returns a function that checks whether the process should go on. A database server is no reason to end it; an embedded
 * database that gives no answer for a while recovers only in a new process. A full disk, with which it is read-only, is no
 * reason: it would be full for the next process too.
 */
export function createLiveness(db: Database, isEmbedded: boolean): () => Promise<boolean> {
  let silentSinceMs: number | undefined;
  let checking: Promise<void> | undefined;

  async function check(): Promise<void> {
    const startedAtMs = performance.now();
    if ((await probe(db)) === 'silent') silentSinceMs ??= startedAtMs;
    else silentSinceMs = undefined;
  }

  return async () => {
    if (!isEmbedded) return true;
    checking ??= check().finally(() => {
      checking = undefined;
    });
    await checking;
    return silentSinceMs === undefined || performance.now() - silentSinceMs < SILENCE_MS;
  };
}

/** State of the database, from a statement with a timeout of two seconds. */
async function probe(db: Database): Promise<'writes' | 'reads' | 'silent'> {
  const answered = db
    .select({ isReadOnly: sql<string>`current_setting('transaction_read_only')` })
    .from(sql`(select 1) as probe`)
    .then(
      ([row]) => (row?.isReadOnly === 'off' ? ('writes' as const) : ('reads' as const)),
      () => 'silent' as const,
    );
  const { promise, resolve } = Promise.withResolvers<'silent'>();
  const timer = setTimeout(() => resolve('silent'), 2_000);
  return await Promise.race([answered, promise]).finally(() => clearTimeout(timer));
}

const SILENCE_MS = 20_000; // a statement that takes long is no reason to end
