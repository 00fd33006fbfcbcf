import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PgAsyncDatabase } from 'drizzle-orm/pg-core';
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js';
import { Connection } from './connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { drizzleOver } from './driver.ts';
import { type EmbeddedEngine, startEngine } from './embedded-engine.ts';
import { DiskFullError, RESERVE_BYTES } from './embedded-session.ts';
import { keepStatistics, refreshStatistics } from './embedded-statistics.ts';
import { confirmProgram, migrateDatabase, migrateServer, type Report } from './migrate.ts';
import { PortSocket } from './port-socket.ts';
import { RepeatedTexts } from './repeated-texts.ts';
import { SharedConnection } from './shared-connection.ts';

/**
 * The database on either engine. Inside a transaction only its `tx` may be used: on the embedded engine a query through the
 * outer handle would wait for ever.
 */
export type Database = PgAsyncDatabase<PostgresJsQueryResultHKT>;

export interface OpenDatabase {
  db: Database;
  /** The same database, over a connection that nothing else uses. */
  heartbeatDb: Database;
  /**
   * Refuses a database that was migrated while this program started. To be called once this server is recorded as running. Throws
   * NewerDatabaseError.
   */
  confirmProgram(): Promise<void>;
  /** E.g. `PostgreSQL 18.3 (embedded)`. */
  engine: string;
  close(): Promise<void>;
}

/**
 * Opens and migrates the database: the server at `databaseUrl`, else an embedded one in the data folder. `report` receives a
 * sentence for each migration that ran. `onLost` is called if the embedded one stops by itself, after which every statement
 * fails. Throws NewerDatabaseError, OlderServerError, UnfinishedCopyError and DiskFullError.
 */
export async function openDatabase(
  options: { databaseUrl: string | undefined; dataDir: string },
  report: Report = () => {},
  onLost: () => void = () => {},
): Promise<OpenDatabase> {
  if (options.databaseUrl !== undefined) return await openServer(options.databaseUrl, report);
  const folder = join(options.dataDir, 'database');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < RESERVE_BYTES) throw new DiskFullError();
  return await openEmbedded(await startEngine({ folder }), report, onLost);
}

/** Uses an embedded database that is already running, and ends it if it cannot be used. */
export async function openEmbedded(
  engine: EmbeddedEngine,
  report: Report = () => {},
  onLost: () => void = () => {},
): Promise<OpenDatabase> {
  const connection = new Connection(() => new PortSocket(engine.port), {});
  let isClosing = false;
  let stopStatistics = async () => {};
  const ended = engine.ended
    .catch(() => {})
    .then(() => {
      if (!isClosing) onLost();
    });
  async function close(): Promise<void> {
    isClosing = true;
    await stopStatistics();
    await connection.close();
    // What is not written by then is written by the next start, from the write-ahead log.
    await Promise.race([ended, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    await engine.kill();
  }
  try {
    const version = await versionOf(connection);
    const shared = new SharedConnection(connection);
    const db = drizzleOver((work) => shared.share(work), {
      alone: (work) => shared.alone(work),
      atOnce: (work) => shared.share(work),
    });
    await migrateDatabase(db, report);
    await refreshStatistics(db);
    stopStatistics = keepStatistics(db);
    // One process alone can open an embedded database.
    const confirmProgram = async () => {};
    return { db, heartbeatDb: db, confirmProgram, engine: `PostgreSQL ${version} (embedded)`, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openServer(databaseUrl: string, report: Report): Promise<OpenDatabase> {
  await migrateServer(databaseUrl, report);
  const options = { ...CONNECTION_OPTIONS, texts: new RepeatedTexts() };
  const connect = () => new Connection(databaseUrl, options);
  const pool = new ConnectionPool(connect, POOL_SIZE);
  const heartbeats = new ConnectionPool(connect, 1);
  async function close(): Promise<void> {
    await Promise.all([pool.close(), heartbeats.close()]);
  }
  try {
    return {
      engine: `PostgreSQL ${await pool.use(versionOf)}`,
      db: drizzleOver((work) => pool.use(work), {
        alone: (work) => pool.useFirst(work),
        atOnce: (work) => pool.useFirst(work),
      }),
      heartbeatDb: drizzleOver((work) => heartbeats.use(work)),
      confirmProgram: () => confirmProgram(databaseUrl),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function versionOf(connection: Connection): Promise<string> {
  const [row] = await connection.run((client) => client`show server_version`);
  return row?.server_version;
}

const POOL_SIZE = 10; // no request holds a connection while it streams, so ten serve many

const CONNECTION_OPTIONS = {
  replyWithinSeconds: 5, // a person waits for requests; background work retries
  session: {
    statement_timeout: 4_500, // in milliseconds; below the reply timeout, so that a slow statement costs no connection
    idle_in_transaction_session_timeout: 10_000, // or rows locked by a lost connection would stay locked for hours
  },
};

const CLOSE_TIMEOUT_MS = 5_000; // service managers wait ten seconds or more before they kill
