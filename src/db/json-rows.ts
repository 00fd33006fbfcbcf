import { is, type SQL, type Subquery, sql } from 'drizzle-orm';
import { PgColumn } from 'drizzle-orm/pg-core';
import type { SelectResultFields } from 'drizzle-orm/query-builders/select.types';

/**
 * The rows of a subquery as one column, in the subquery's own order, so that one statement returns rows of several shapes. Each
 * row is what selecting from the subquery would give.
 */
export function jsonRows<Fields extends Record<string, unknown>>(
  rows: Subquery<string, Fields>,
): SQL<SelectResultFields<Fields>[]> {
  const fields = Object.entries(rows._.selectedFields) as [string, SQL.Aliased | PgColumn][];
  const pairs = fields.map(([name, field]) => sql`${sql.raw(`'${name}'`)}, ${field}`);
  const decoders = fields.flatMap(([name, field]) => {
    const decode = is(field, PgColumn) ? DECODERS[field.getSQLType()] : undefined;
    return decode === undefined ? [] : [{ name, decode }];
  });
  return sql`(select coalesce(json_agg(json_build_object(${sql.join(pairs, sql`, `)})), '[]')::text from ${rows})`.mapWith(
    (text: unknown) => {
      const parsed = fromJson<Record<string, unknown>[]>(text);
      for (const { name, decode } of decoders)
        for (const row of parsed) if (row[name] !== null) row[name] = decode(String(row[name]));
      return parsed as SelectResultFields<Fields>[];
    },
  );
}

/** Decodes a column that a statement returns as the text of JSON, since drivers differ in whether they parse it. */
export function fromJson<Value>(text: unknown): Value {
  return JSON.parse(String(text));
}

/** What JSON has no type for, by the type of the column. */
const DECODERS: Readonly<Record<string, ((text: string) => unknown) | undefined>> = {
  bytea: (hex) => Uint8Array.from(Buffer.from(hex.slice(HEX_PREFIX.length), 'hex')),
  'timestamp (3) with time zone': (text) => new Date(text),
};

const HEX_PREFIX = '\\x';
