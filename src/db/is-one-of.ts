import { type SQL, type SQLWrapper, sql } from 'drizzle-orm';

/**
 * Whether a column is one of these ids, or of those of a placeholder that is filled with `idList`. Unlike `inArray` it has the
 * same text for any number of them, so that the statement is prepared once. Ids contain no comma.
 */
export function isOneOf(column: SQLWrapper, ids: readonly string[] | SQLWrapper): SQL {
  const list = 'getSQL' in ids ? ids : idList(ids);
  return sql`${column} = any (string_to_array(${list}, ','))`;
}

/** Ids as one parameter. */
export function idList(ids: readonly string[]): string {
  return ids.join(',');
}
