import { hostname } from 'node:os';
import { failureName, log } from '../log.ts';
import { Connection } from './connection.ts';
import { endSessions, isHeld, nameHolder, nameSession, tryToHold } from './server-lock.ts';

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
  let connection = new Connection(databaseUrl, CONNECTION_OPTIONS);
  let sessions: string[] = [];
  try {
    if (!(await take())) throw new DatabaseHeldError(await nameHolder(connection));
  } catch (error) {
    await connection.close();
    throw error;
  }

  /** Every session that may get the lock is known before it does: the word that it did can be lost. */
  async function take(): Promise<boolean> {
    sessions.push(await nameSession(connection));
    return await tryToHold(connection);
  }

  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  }, LOOK_EVERY_MS);

  async function look(): Promise<void> {
    try {
      if (connection.isBroken) connection = new Connection(databaseUrl, CONNECTION_OPTIONS);
      if (await isHeld(connection)) sessions = sessions.slice(-1);
      // A session of ours that lost its way to us lives on for the server, and has the lock until it is ended.
      else if (!(await take()) && !(await endSessions(connection, sessions))) {
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
