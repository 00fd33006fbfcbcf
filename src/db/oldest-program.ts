import { sql } from 'drizzle-orm';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { ifTableExists } from './if-table-exists.ts';
import { type Migration, readProgramName } from './migration-file.ts';
import { oldestPrograms } from './tables/oldest-program.ts';

/** The database has a migration on which this program may not run. The message names both. */
export class NewerDatabaseError extends Error {
  override readonly name = 'NewerDatabaseError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor(inDatabase: string, inProgram: string) {
    super(
      `The database belongs to a newer Latchkey: it has the migration ${inDatabase}, and the newest one that this Latchkey knows ` +
        `is ${inProgram}. Start the newer Latchkey, or restore the backup that was made before the upgrade. Nothing was changed.`,
    );
  }
}

/** A server is running that could not use the database after a migration. The message names it and says what to do. */
export class OlderServerError extends Error {
  override readonly name = 'OlderServerError';
  readonly exitCode = 1; // not 78: it passes once the server has stopped, so a service manager may try again

  constructor(server: RunningServer, { name, oldestProgram }: Migration) {
    const knows =
      server.program === null ? '' : `, and the newest migration that it knows is ${server.program}`;
    super(
      `Nothing was changed: ${server.name}, is running${knows}. After the migration ${name} only a Latchkey that knows ` +
        `${oldestProgram} may run. Stop that server first; if it has crashed, wait half a minute. Then start this again.`,
    );
  }
}

/**
 * Refuses a database with migrations that this program does not know, unless each of them says that a program as old as this
 * one may still run. Throws NewerDatabaseError.
 */
export async function refuseNewerDatabase(
  db: Pick<PostgresJsDatabase, 'select'>,
  { applied, known }: { applied: readonly string[]; known: readonly Migration[] },
): Promise<void> {
  const program = readProgramName();
  const unknown = applied.filter((name) => !known.some((migration) => migration.name === name));
  if (unknown.length === 0) return;
  const recorded = await ifTableExists(db.select().from(oldestPrograms), []);
  const allowing = recorded.filter((row) => row.program <= program).map(({ migration }) => migration);
  const refusing = unknown
    .filter((name) => !allowing.includes(name))
    .toSorted()
    .at(-1);
  if (refusing !== undefined) throw new NewerDatabaseError(refusing, program);
}

/**
 * Refuses to apply migrations while a server runs whose program is older than one of them allows. Throws OlderServerError.
 */
export async function refuseOlderServers(
  db: Pick<PostgresJsDatabase, 'select'>,
  pending: readonly Migration[],
): Promise<void> {
  const strictest = pending
    .toSorted((left, right) => (left.oldestProgram < right.oldestProgram ? -1 : 1))
    .at(-1);
  if (strictest === undefined) return;
  const servers = await ifTableExists(findRunningServers(db), []);
  const older = servers.find(({ program }) => program === null || program < strictest.oldestProgram);
  if (older !== undefined) throw new OlderServerError(older, strictest);
}

/** Records of every known migration which programs it allows. */
export async function recordOldestPrograms(
  db: Pick<PostgresJsDatabase, 'insert'>,
  known: readonly Migration[],
): Promise<void> {
  const rows = known.map(({ name, oldestProgram }) => ({ migration: name, program: oldestProgram }));
  await db.insert(oldestPrograms).values(rows).onConflictDoNothing();
}

interface RunningServer {
  /** Host and process. */
  name: string;
  /** Name of the newest migration that it knows; null if it did not record one. */
  program: string | null;
}

/** The servers that run now. Rows are read as JSON: before a migration the table has the columns of an earlier version. */
async function findRunningServers(db: Pick<PostgresJsDatabase, 'select'>): Promise<RunningServer[]> {
  const leaseUntil = sql`coalesce(
    (server.row ->> 'lease_until')::timestamptz + interval '15 seconds', (server.row ->> 'seen_at')::timestamptz + interval '30 seconds')`;
  return await db
    .select({
      name: sql<string>`server.row ->> 'name'`,
      program: sql<string | null>`server.row ->> 'program'`,
    })
    .from(sql`(select to_jsonb(servers) as row from servers) as server`)
    .where(sql`${leaseUntil} > now() and server.row ->> 'ended_at' is null`)
    .orderBy(sql`server.row ->> 'id'`);
}
