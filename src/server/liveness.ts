import { sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';

/** Whether the server can do its work: the database answers within two seconds and takes writes, as a standby or full one does not. */
export async function isReady(db: Database): Promise<boolean> {
  return (await look(db)) === 'writes';
}

/**
 * Tells whether the process should go on. It should whatever a database server does; an embedded database that has given
 * no answer for a while comes back with the next process alone. One that only reads, because its disk is full, does not.
 */
export function createLiveness(db: Database, isEmbedded: boolean): () => Promise<boolean> {
  let silentSinceMs: number | undefined;
  let looking: Promise<void> | undefined;

  async function note(): Promise<void> {
    const startedAtMs = performance.now();
    if ((await look(db)) === 'silent') silentSinceMs ??= startedAtMs;
    else silentSinceMs = undefined;
  }

  return async () => {
    if (!isEmbedded) return true;
    looking ??= note().finally(() => {
      looking = undefined;
    });
    await looking;
    return silentSinceMs === undefined || performance.now() - silentSinceMs < SILENCE_MS;
  };
}

/** What the database does within two seconds. */
async function look(db: Database): Promise<'writes' | 'reads' | 'silent'> {
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
