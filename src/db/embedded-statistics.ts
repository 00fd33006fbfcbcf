import { eq, gt, or, sql } from 'drizzle-orm';
import { bigint, customType, integer, pgView, text } from 'drizzle-orm/pg-core';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { failureName, log } from '../log.ts';

/**
 * Keeps the statistics of the embedded database fresh: it has no autovacuum, and with the statistics of a small table the planner
 * reads a list of twenty thousand rows ten times slower. Looks once a minute which tables have changed enough, and analyses
 * them one by one. Returns a function that stops it.
 */
export function keepStatistics(db: PostgresJsDatabase): () => Promise<void> {
  let refreshing: Promise<void> | undefined;
  const timer = setInterval(() => {
    refreshing ??= refreshStatistics(db)
      .catch((error: unknown) => log.warn({ failure: failureName(error) }, 'a table could not be analysed'))
      .finally(() => {
        refreshing = undefined;
      });
  }, LOOK_MS).unref();
  return async () => {
    clearInterval(timer);
    await refreshing;
  };
}

/**
 * Vacuums and analyses each table of which a tenth has changed since the last time, or that has grown by so much: the counts of
 * changes do not outlive the process. Also called after migrations.
 */
export async function refreshStatistics(db: PostgresJsDatabase): Promise<void> {
  const size = sql`pg_relation_size(${tables.id}) / current_setting('block_size')::int`;
  const changed = await db
    .select({ name: tables.name })
    .from(tables)
    .innerJoin(classes, eq(classes.id, tables.id))
    .where(
      or(
        gt(tables.changed, sql`${LEAST_CHANGED}::bigint + ${tables.rows} / 10`),
        gt(size, sql`${LEAST_GROWN}::bigint + ${classes.pages} * 1.1`),
      ),
    );
  // Reads a sample of the rows and removes dead ones. Other statements wait for the few milliseconds that a table takes.
  for (const { name } of changed) await db.execute(sql`vacuum (analyze) ${sql.identifier(name)}`);
}

const oid = customType<{ data: number }>({ dataType: () => 'oid' });

const tables = pgView('pg_stat_user_tables', {
  id: oid('relid').notNull(),
  name: text('relname').notNull(),
  rows: bigint('n_live_tup', { mode: 'number' }).notNull(),
  changed: bigint('n_mod_since_analyze', { mode: 'number' }).notNull(),
}).existing();

/** Its `relpages` are those that the table had when it was vacuumed last. */
const classes = pgView('pg_class', {
  id: oid('oid').notNull(),
  pages: integer('relpages').notNull(),
}).existing();

const LEAST_CHANGED = 500; // fewer make no difference to a plan
const LEAST_GROWN = 8; // pages
const LOOK_MS = 60_000;
