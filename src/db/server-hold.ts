import { hostname } from 'node:os';
import { failureName, log } from '../log.ts';
import { Connection } from './connection.ts';
import {
  endSessions,
  hasLock,
  type LockMode,
  nameHolder,
  nameSession,
  tryLockSession,
} from './server-lock.ts';

/** Another Latchkey server uses this database. The message names it and says what to do. */
export class DatabaseHeldError extends Error {
  override readonly name = 'DatabaseHeldError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor(holder: string, mode: LockMode) {
    super(
      `Another Latchkey is using this database: ${holder}. ` +
        (mode === 'alone'
          ? 'Stop it first, or set DATABASE_URL to another database. For several servers on one database, set REDIS_URL on all of them.'
          : 'It runs without REDIS_URL, so it must have the database for itself. Stop it, set REDIS_URL on it as well, and start it again.'),
    );
  }
}

/**
 * Locks a PostgreSQL database for one server, or for several that know of each other: beside any other one, a server that takes
 * itself to be alone would end its answers as left behind by a crash. It is an advisory lock on a connection of its own, so it
 * ends with the process, even after a crash. A connection that breaks is replaced; if a server of the other mode took the lock
 * first, `onLost` is called once. Returns a function that releases the lock. Throws DatabaseHeldError.
 */
export async function lockDatabaseServer(
  databaseUrl: string,
  mode: LockMode,
  onLost: () => void,
): Promise<() => Promise<void>> {
  let connection = new Connection(databaseUrl, CONNECTION_OPTIONS);
  let sessions: string[] = [];
  try {
    if (!(await tryLock())) throw new DatabaseHeldError(await nameHolder(connection), mode);
  } catch (error) {
    await connection.close();
    throw error;
  }

  /** Records the session before it asks for the lock: the reply that it got the lock can be lost. */
  async function tryLock(): Promise<boolean> {
    sessions.push(await nameSession(connection));
    return await tryLockSession(connection, mode);
  }

  let checking: Promise<void> | undefined;
  const timer = setInterval(() => {
    checking ??= check().finally(() => {
      checking = undefined;
    });
  }, CHECK_EVERY_MS);

  async function check(): Promise<void> {
    try {
      if (connection.isBroken) connection = new Connection(databaseUrl, CONNECTION_OPTIONS);
      if (await hasLock(connection)) sessions = sessions.slice(-1);
      // An old session of ours whose connection broke can live on in PostgreSQL, and keeps the lock until it is ended.
      else if (!(await tryLock()) && !(await endSessions(connection, sessions))) {
        clearInterval(timer);
        onLost();
      }
    } catch (error) {
      // While the database is away no other server can take the lock either.
      log.warn({ failure: failureName(error) }, 'the hold of the database could not be looked at');
    }
  }

  return async () => {
    clearInterval(timer);
    await checking;
    await connection.close();
  };
}

const CHECK_EVERY_MS = 2_000;

const CONNECTION_OPTIONS = {
  replyWithinSeconds: 5,
  session: {
    application_name: `latchkey on ${hostname()}, process ${process.pid}`,
    // In seconds: a server that vanished from the network loses its session within half a minute and not after hours.
    tcp_keepalives_idle: 15,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
  },
};
