import { fillPlaceholders, type Query } from 'drizzle-orm';
import { QueryBuilder } from 'drizzle-orm/pg-core';

/** A statement with its parameters, to be sent without Drizzle. Its reply is rows of values in the order of its columns. */
export interface Statement {
  text: string;
  parameters: unknown[];
}

/** A query whose text is built once, at its first use; the returned function fills in its placeholders. */
export function statement<Values extends Record<string, unknown>>(
  build: (builder: QueryBuilder) => Buildable,
): (values: Values) => Statement {
  let built: Query | undefined;
  return (values) => {
    built ??= build(new QueryBuilder()).toSQL();
    return { text: built.sql, parameters: fillPlaceholders(built.params, values) };
  };
}

/** A query of Drizzle. */
export interface Buildable {
  toSQL(): Query;
}
