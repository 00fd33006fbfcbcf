import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';

/**
 * Whether a column is one of these ids. Unlike `inArray` it has the same text for any number of them, so that the statement is
 * prepared once. Ids contain no comma.
 */
export function isOneOf(column: SQLWrapper, ids: readonly string[]): SQL {
  return sql`${column} = any (string_to_array(${ids.join(',')}, ','))`;
}
