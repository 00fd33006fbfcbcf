import { hostname } from 'node:os';
import postgres from 'postgres';
import { failureName, log } from '../log.ts';

/** Another Latchkey serves from this database. The message names it and says what to do. */
export class DatabaseHeldError extends Error {
  override readonly name = 'DatabaseHeldError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor(holder: string) {
    super(
      `Another Latchkey is using this database: ${holder}. Stop it first, or set DATABASE_URL to another database.`,
    );
  }
}

/**
 * Holds a PostgreSQL database for the one server that serves from it: a second one would take the answers of the first for
 * left behind. The hold is a lock of a connection of its own, so it is gone with the process, however that ends. A
 * connection that breaks is opened again; if another server was faster, `onLost` is called once. Returns what lets go.
 * Throws DatabaseHeldError.
 */
export async function holdDatabaseServer(
  databaseUrl: string,
  onLost: () => void,
): Promise<() => Promise<void>> {
  const client = postgres(databaseUrl, {
    max: 1,
    max_lifetime: null, // a connection that is renewed has lost its lock
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    connection: { application_name: `latchkey on ${hostname()}, process ${process.pid}` },
    onnotice: () => {},
  });
  try {
    if (!(await tryToHold(client))) throw new DatabaseHeldError(await nameHolder(client));
  } catch (error) {
    await client.end({ timeout: 1 });
    throw error;
  }

  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, LOOK_EVERY_MS);

  async function look(): Promise<void> {
    try {
      if ((await isHeld(client)) || (await tryToHold(client))) return;
      clearInterval(timer);
      onLost();
    } catch (error) {
      // While the database is away nobody else can take it either.
      log.warn({ failure: failureName(error) }, 'the hold of the database could not be looked at');
    }
  }

  return async () => {
    clearInterval(timer);
    await looking;
    await client.end({ timeout: 1 });
  };
}

async function tryToHold(client: postgres.Sql): Promise<boolean> {
  const [row] = await client`select pg_try_advisory_lock(${LOCK}) as held`;
  return row?.held === true;
}

async function isHeld(client: postgres.Sql): Promise<boolean> {
  const rows = await client`
    select 1 from pg_locks where locktype = 'advisory' and objid = ${LOCK} and pid = pg_backend_pid() and granted`;
  return rows.length > 0;
}

async function nameHolder(client: postgres.Sql): Promise<string> {
  const [row] = await client`
    select activity.application_name as name, activity.backend_start as since
    from pg_locks as lock join pg_stat_activity as activity using (pid)
    where lock.locktype = 'advisory' and lock.objid = ${LOCK} and lock.granted
      and lock.database = (select oid from pg_database where datname = current_database())`;
  return row === undefined ? 'one that has just begun' : `${row.name}, since ${row.since.toISOString()}`;
}

const LOCK = 7_345_002; // beside the lock of migrate.ts
const CONNECT_TIMEOUT_SECONDS = 10;
const LOOK_EVERY_MS = 2_000;
