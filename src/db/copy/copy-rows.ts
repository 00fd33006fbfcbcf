import { sql } from 'drizzle-orm';
import type { Database } from '../database.ts';
import { databaseCopies } from '../tables/database-copy.ts';
import { lineOf, type TableShape } from './table-shape.ts';

/**
 * Copies all rows that are not in the target yet, in batches. Each batch is committed together with the place up to which rows
 * were copied, so a run that is killed at any moment leaves a target with which the next run goes on.
 */
export async function copyRows(
  { source, target }: { source: Database; target: Database },
  tables: readonly TableShape[],
  begun: CopyPlace,
  /** Is called after each batch with the number of its rows. */
  onCopied: (rows: number) => void,
): Promise<void> {
  for (const table of tables) {
    if (begun.tableName !== null && table.name < begun.tableName) continue;
    let lastKey = table.name === begun.tableName ? begun.lastKey : null;
    for (;;) {
      const lines = await readLines(source, table, lastKey);
      const last = lines.at(-1);
      if (last === undefined) break;
      lastKey = keyOf(table, last);
      await insertLines(target, table, lines, lastKey);
      onCopied(lines.length);
    }
  }
}

/** Up to where rows have been copied. */
export type CopyPlace = Pick<typeof databaseCopies.$inferSelect, 'tableName' | 'lastKey'>;

/** Reads the next rows in the order of the primary key: a bounded number, or fewer if they are long, but at least one. */
async function readLines(
  source: Database,
  table: TableShape,
  after: readonly string[] | null,
): Promise<string[]> {
  const key = sql.join(
    table.key.map(({ name }) => sql.identifier(name)),
    sql`, `,
  );
  const values = table.key.map(({ type }, index) => sql`${after?.[index] ?? null}::text::${sql.raw(type)}`);
  const rest = after === null ? sql`true` : sql`(${key}) > (${sql.join(values, sql`, `)})`;
  const sizes = table.columns.map(({ name }) => sql`coalesce(pg_column_size(${sql.identifier(name)}), 0)`);
  const rows = await source.execute<{ line: string }>(sql`
    select ${lineOf(table)} as line from (
      select *, sum(row_bytes) over (order by row_number) as bytes from (
        select *, ${sql.join(sizes, sql` + `)} as row_bytes, row_number() over (order by ${key}) as row_number
        from ${sql.identifier(table.name)} where ${rest} order by ${key} limit ${BATCH_ROWS}
      ) as batch
    ) as measured
    where row_number = 1 or bytes <= ${BATCH_BYTES} order by row_number`);
  return rows.map(({ line }) => line);
}

async function insertLines(
  target: Database,
  table: TableShape,
  lines: readonly string[],
  lastKey: string[],
): Promise<void> {
  const names = table.columns.map(({ name }) => sql.identifier(name));
  const values = table.columns.map(({ type }, index) => sql.raw(`(line ->> ${index})::${type}`));
  await target.transaction(async (tx) => {
    await tx.execute(sql`
      insert into ${sql.identifier(table.name)} (${sql.join(names, sql`, `)})
      select ${sql.join(values, sql`, `)}
      from json_array_elements(${`[${lines.join(',')}]`}::text::json) as batch (line)`);
    await tx.update(databaseCopies).set({
      tableName: table.name,
      lastKey,
      copiedRows: sql`${databaseCopies.copiedRows} + ${lines.length}`,
    });
  });
}

/** The values of the primary key in a row, as text. */
function keyOf(table: TableShape, line: string): string[] {
  const texts: string[] = JSON.parse(line);
  return table.key.map(({ name }) => texts[table.columns.findIndex((column) => column.name === name)] ?? '');
}

const BATCH_ROWS = 200;
const BATCH_BYTES = 2 ** 18; // as stored, so that rows beyond it are not even read; text takes a few times as much in memory
