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
