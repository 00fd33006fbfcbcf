import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Database } from '../database.ts';
import { lineOf, type TableShape } from './table-shape.ts';

/** What a table holds: the number of its rows, and a digest over all of them in the order of the primary key. */
export interface TableDigest {
  name: string;
  rows: number;
  /** SHA-256 in hexadecimal. */
  digest: string;
}

/** Digests every table. The database hashes each row and sorts them, so that rows are neither sent nor held in memory. */
export async function digestTables(db: Database, tables: readonly TableShape[]): Promise<TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const table of tables) digests.push(await digestTable(db, table));
  return digests;
}

/** One digest for all of a database: of its tables, their columns and rows. */
export function digestOf(tables: readonly TableShape[], digests: readonly TableDigest[]): string {
  return createHash('sha256')
    .update(JSON.stringify([tables, digests]))
    .digest('hex');
}

async function digestTable(db: Database, table: TableShape): Promise<TableDigest> {
  const hash = createHash('sha256');
  let rows = 0;
  // Two engines sort text alike only in the order of its bytes.
  const order = table.key.map(({ name, hasCollation }) =>
    hasCollation ? sql`${sql.identifier(name)} collate "C"` : sql.identifier(name),
  );
  await db.transaction(
    async (tx) => {
      await tx.execute(sql`
        declare row_digests no scroll cursor for
        select encode(sha256(convert_to(${lineOf(table)}, 'UTF8')), 'hex') as digest
        from ${sql.identifier(table.name)} order by ${sql.join(order, sql`, `)}`);
      for (;;) {
        const fetched = await tx.execute<{ digest: string }>(FETCH);
        if (fetched.length === 0) return;
        rows += fetched.length;
        for (const { digest } of fetched) hash.update(digest);
      }
    },
    { accessMode: 'read only' },
  );
  return { name: table.name, rows, digest: hash.digest('hex') };
}

const FETCH = sql`fetch 1000 from row_digests`; // 64 KiB of digests
