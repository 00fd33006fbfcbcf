import { type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { Database } from './database.ts';

/**
 * A query that is built once for each database and later only filled in: building one with Drizzle can take longer than all
 * else about it. For a transaction it is built each time.
 */
export function prepared<Query>(build: (db: Database) => Query): (db: Database) => Query {
  const built = new WeakMap<Database, Query>();
  return (db) => {
    const known = built.get(db);
    if (known !== undefined) return known;
    const query = build(db);
    built.set(db, query);
    return query;
  };
}

/** A text that is known when a query is built, or is filled in when it is executed. */
export type Given = string | SQL;

/**
 * A placeholder for a text that makes no difference to the plan. PostgreSQL plans a prepared statement again for every set of
 * values while that promises a cheaper plan, and planning one of many tables takes ten times as long as executing it.
 */
export function anyText(name: string): SQL {
  return sql`(select ${sql.placeholder(name)}::text)`;
}

/** A placeholder of its own name for each of these columns. */
export function placeholders<Name extends string>(names: readonly Name[]): Record<Name, Placeholder<Name>> {
  return Object.fromEntries(names.map((name) => [name, sql.placeholder(name)])) as Record<
    Name,
    Placeholder<Name>
  >;
}
