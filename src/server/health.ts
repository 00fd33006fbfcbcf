import { sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';

/** Whether the server can do its work: the database answers within two seconds. */
export async function isReady(db: Database): Promise<boolean> {
  const answered = db
    .select({ one: sql`1` })
    .from(sql`(select 1) as probe`)
    .then(
      () => true,
      () => false,
    );
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), 2_000);
  return await Promise.race([answered, promise]).finally(() => clearTimeout(timer));
}
