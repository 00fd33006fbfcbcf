import { sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';

/** Whether the server can do its work: the database answers within two seconds and takes writes, as a standby does not. */
export async function isReady(db: Database): Promise<boolean> {
  const answered = db
    .select({ isReadOnly: sql<string>`current_setting('transaction_read_only')` })
    .from(sql`(select 1) as probe`)
    .then(
      ([row]) => row?.isReadOnly === 'off',
      () => false,
    );
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), 2_000);
  return await Promise.race([answered, promise]).finally(() => clearTimeout(timer));
}

/**
 * Tells whether the process should go on. It should whatever a database server does; an embedded database that has not
 * answered for a while, as after its disk was full, comes back with the next process alone.
 */
export function createLiveness(db: Database, isEmbedded: boolean): () => Promise<boolean> {
  let silentSinceMs: number | undefined;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const startedAtMs = performance.now();
    if (await isReady(db)) silentSinceMs = undefined;
    else silentSinceMs ??= startedAtMs;
  }

  return async () => {
    if (!isEmbedded) return true;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    await looking;
    return silentSinceMs === undefined || performance.now() - silentSinceMs < SILENCE_MS;
  };
}

const SILENCE_MS = 20_000; // a disk that is full for a moment, or a statement that takes long, is no reason to end
