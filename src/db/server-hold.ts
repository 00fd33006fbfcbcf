import { hostname } from 'node:os';
import { failureName, log } from '../log.ts';
import { Connection } from './connection.ts';

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
 * connection that breaks is replaced; if another server was faster, `onLost` is called once. Returns what lets go.
 * Throws DatabaseHeldError.
 */
export async function holdDatabaseServer(
  databaseUrl: string,
  onLost: () => void,
): Promise<() => Promise<void>> {
  const open = () => new Connection(databaseUrl, CONNECTION_OPTIONS);
  let connection = open();
  let session: Session | undefined;
  try {
    session = await tryToHold(connection);
    if (session === undefined) throw new DatabaseHeldError(await nameHolder(connection));
  } catch (error) {
    await connection.close();
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
      if (connection.isBroken) connection = open();
      if (await isHeld(connection)) return;
      const renewed = await tryToHold(connection);
      if (renewed !== undefined) session = renewed;
      else if (session === undefined || !(await endSession(connection, session))) {
        clearInterval(timer);
        onLost();
      }
    } catch (error) {
      // While the database is away nobody else can take it either.
      log.warn({ failure: failureName(error) }, 'the hold of the database could not be looked at');
    }
  }

  return async () => {
    clearInterval(timer);
    await looking;
    await connection.close();
  };
}

/** A session as the server knows it. Process ids are used again, so the time belongs to it. */
interface Session {
  pid: number;
  since: string;
}

/** The session that now holds the database; undefined if another one does. */
async function tryToHold(connection: Connection): Promise<Session | undefined> {
  const [session] = await connection.run(
    (client) => client<(Session & { isHeld: boolean })[]>`
      select pid, backend_start::text as since, pg_try_advisory_lock(${LOCK}) as "isHeld"
      from pg_stat_activity where pid = pg_backend_pid()`,
  );
  return session?.isHeld ? session : undefined;
}

async function isHeld(connection: Connection): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select 1 from pg_locks where locktype = 'advisory' and objid = ${LOCK} and pid = pg_backend_pid() and granted`,
  );
  return rows.length > 0;
}

/** Ends a session of ours that lost its way to us but not, as far as the server knows, its life. False if there is none. */
async function endSession(connection: Connection, { pid, since }: Session): Promise<boolean> {
  const rows = await connection.run(
    (client) => client`
      select pg_terminate_backend(pid) from pg_stat_activity where pid = ${pid} and backend_start::text = ${since}`,
  );
  return rows.length > 0;
}

async function nameHolder(connection: Connection): Promise<string> {
  const [row] = await connection.run(
    (client) => client<{ name: string; since: string }[]>`
      select activity.application_name as name, to_char(activity.backend_start at time zone 'UTC', ${ISO_TIME}) as since
      from pg_locks as lock join pg_stat_activity as activity using (pid)
      where lock.locktype = 'advisory' and lock.objid = ${LOCK} and lock.granted
        and lock.database = (select oid from pg_database where datname = current_database())`,
  );
  return row === undefined ? 'one that has just begun' : `${row.name}, since ${row.since}`;
}

const LOCK = 7_345_002; // beside the lock of migrate.ts
const ISO_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
const LOOK_EVERY_MS = 2_000;

const CONNECTION_OPTIONS = {
  replyWithinSeconds: 5,
  session: {
    application_name: `latchkey on ${hostname()}, process ${process.pid}`,
    // Seconds; a server that vanished from the network is then noticed within half a minute and not after hours.
    tcp_keepalives_idle: 15,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
  },
};
