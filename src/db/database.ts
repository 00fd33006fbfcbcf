import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import type { PgAsyncDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { Connection } from './connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { drizzleOver } from './driver.ts';
import { DiskFullError, EmbeddedClient, embeddedClients, RESERVE_BYTES } from './embedded-client.ts';
import { migrateEmbedded, migrateServer, type Report } from './migrate.ts';
import { RepeatedTexts } from './repeated-texts.ts';

/**
 * The database on either engine. Inside a transaction only its `tx` may be used: on the embedded engine a query through the
 * outer handle would wait for ever.
 */
export type Database = PgAsyncDatabase<PgQueryResultHKT>;

export interface OpenDatabase {
  db: Database;
  /** E.g. `PostgreSQL 18.3 (embedded)`. */
  engine: string;
  close(): Promise<void>;
}

/**
 * Opens and migrates the database: the server at `databaseUrl`, else an embedded one in the data folder. `report` receives a
 * sentence for each migration that ran. Throws NewerDatabaseError and DiskFullError.
 */
export async function openDatabase(
  options: { databaseUrl: string | undefined; dataDir: string },
  report: Report = () => {},
): Promise<OpenDatabase> {
  if (options.databaseUrl !== undefined) return await openServer(options.databaseUrl, report);
  const folder = join(options.dataDir, 'database');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  if (freeBytes() < RESERVE_BYTES) throw new DiskFullError();
  return await openEmbedded(await PGlite.create(folder), report, freeBytes);
}

/** Uses an embedded database that is already running; tests pass their own. */
export async function openEmbedded(
  client: PGlite,
  report: Report = () => {},
  freeBytes: () => number = () => Number.POSITIVE_INFINITY,
): Promise<OpenDatabase> {
  const embedded = new EmbeddedClient(client, freeBytes);
  const db = drizzlePglite({ client: embedded as unknown as PGlite });
  embeddedClients.set(db, embedded);
  await migrateEmbedded(db, report);
  const version = await client.query<{ server_version: string }>('show server_version');
  return {
    db,
    engine: `PostgreSQL ${version.rows[0]?.server_version} (embedded)`,
    close: () => client.close(),
  };
}

async function openServer(databaseUrl: string, report: Report): Promise<OpenDatabase> {
  await migrateServer(databaseUrl, report);
  const options = { ...CONNECTION_OPTIONS, texts: new RepeatedTexts() };
  const pool = new ConnectionPool(() => new Connection(databaseUrl, options), POOL_SIZE);
  try {
    const [row] = await pool.use((connection) => connection.run((client) => client`show server_version`));
    return {
      db: drizzleOver((work) => pool.use(work)),
      engine: `PostgreSQL ${row?.server_version}`,
      close: () => pool.close(),
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

const POOL_SIZE = 10; // no request holds a connection while it streams, so ten serve many

const CONNECTION_OPTIONS = {
  replyWithinSeconds: 5, // a person waits for requests; background work retries
  session: {
    statement_timeout: 4_500, // in milliseconds; below the reply timeout, so that a slow statement costs no connection
    idle_in_transaction_session_timeout: 10_000, // or rows locked by a lost connection would stay locked for hours
  },
};
