import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { servers } from '../db/tables/server.ts';
import { messages } from '../db/tables/thread.ts';
import { tooManyOfPerson } from './running.ts';

/**
 * The number of answers that are being written for a person, on all servers. Those of a server that has died do not count, or a
 * crash would keep people waiting until they are taken over.
 */
export function answersOf(personId: SQLWrapper | string): SQL<number> {
  return sql<number>`(
    select count(*)::integer from ${messages} as running join ${servers} as writer on writer.id = running.writer_id
    where running.author_id = ${personId} and running.status = 'WRITING'
      and writer.ended_at is null and writer.lease_until > now())`;
}

/** Throws BusyError if so many further answers would be more than a person may have. */
export async function requireAnswersLeft(
  db: Database,
  personId: string,
  { most, wanted }: { most: number; wanted: number },
): Promise<void> {
  const [row] = await db.select({ running: answersOf(personId) }).from(sql`(select 1) as once`);
  if ((row?.running ?? 0) + wanted > most) throw tooManyOfPerson(most);
}
