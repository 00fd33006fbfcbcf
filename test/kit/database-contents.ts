import { mkdtemp, readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { inject } from 'vitest';
import { type Database, type OpenDatabase, openEmbedded } from '../../src/db/database.ts';
import { startEngine } from '../../src/db/embedded-engine.ts';
import { freshDatabase } from './database.ts';

/** An empty, migrated database of its own, of which not only the rows can be read. */
export interface ReadableDatabase extends OpenDatabase {
  /** Every row of every table as JSON, as a backup would hold it. */
  rows(): Promise<string[]>;
  /** All bytes on the disk, the write-ahead log's too, once everything was written; null where they cannot be read. */
  files(): Promise<Uint8Array[] | null>;
}

export async function openReadable(): Promise<ReadableDatabase> {
  const startedAtMs = Date.now();
  const [database, folder] =
    inject('postgresUrl') === undefined ? await openInFolder() : [await freshDatabase(), undefined];
  const { db } = database;
  return {
    ...database,
    rows: () => rowsOf(db),
    async files() {
      if (folder === undefined) return await serverFiles(db, startedAtMs);
      await db.execute(sql`checkpoint`);
      return await filesIn(folder, 0);
    },
  };
}

async function openInFolder(): Promise<[OpenDatabase, string]> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-database-'));
  return [await openEmbedded(await startEngine({ folder, template: inject('templateFile') })), folder];
}

async function rowsOf(db: Database): Promise<string[]> {
  const tables = await db
    .select({ schema: sql<string>`schemaname`, name: sql<string>`tablename` })
    .from(sql`pg_tables`)
    .where(sql`schemaname not in ('pg_catalog', 'information_schema')`);
  const rows: string[] = [];
  for (const { schema, name } of tables) {
    const table = sql`${sql.identifier(schema)}.${sql.identifier(name)}`;
    for (const { row } of await db.select({ row: sql<string>`row_to_json(t)::text` }).from(sql`${table} t`))
      rows.push(`${name} ${row}`);
  }
  return rows;
}

/** The server's own files for this database, if it runs on this machine and lets us. */
async function serverFiles(db: Database, startedAtMs: number): Promise<Uint8Array[] | null> {
  try {
    const [place] = await db
      .select({
        folder: sql<string>`current_setting('data_directory')`,
        oid: sql<string>`(select oid from pg_database where datname = current_database())::text`,
      })
      .from(sql`(values (1)) as one`);
    if (place === undefined) return null;
    await db.execute(sql`checkpoint`);
    const tables = await filesIn(join(place.folder, 'base', place.oid), 0);
    return [...tables, ...(await filesIn(join(place.folder, 'pg_wal'), startedAtMs))];
  } catch {
    return null; // another machine, or a role that may not
  }
}

/** Files that were written since then. */
async function filesIn(folder: string, sinceMs: number): Promise<Uint8Array[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Uint8Array[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs } = await stat(path);
    if (mtimeMs >= sinceMs) files.push(await readFile(path));
  }
  return files;
}
