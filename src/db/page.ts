import { asc, desc, gt, lt, type SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { InvalidInputError } from '../errors.ts';

/** The arguments of a connection. Cursors are opaque to clients. */
export interface PageInput {
  first?: number | null | undefined;
  last?: number | null | undefined;
  after?: string | null | undefined;
  before?: string | null | undefined;
}

export interface Page<Row> {
  /** In the list's own order, whichever end they were counted from. */
  rows: Row[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  cursorOf(row: Row): string;
}

/**
 * Reads one page of a list that is ordered by one unique column: one row more than asked for tells whether there are
 * further ones. `read` runs the query with the condition, order and limit it is given.
 */
export async function readPage<Row>(
  input: PageInput,
  list: {
    column: PgColumn;
    order: 'ascending' | 'descending';
    /** Most rows of one page. */
    maxRows: number;
    valueOf(row: Row): string | number;
    read(conditions: SQL[], orderBy: SQL, limit: number): Promise<Row[]>;
  },
): Promise<Page<Row>> {
  const isBackward = input.last != null;
  const size = pageSize(input, list.maxRows);
  const isNumeric = list.column.dataType.startsWith('number');
  const follows = list.order === 'ascending' ? gt : lt;
  const precedes = list.order === 'ascending' ? lt : gt;
  const conditions: SQL[] = [];
  if (input.after != null)
    conditions.push(follows(list.column, decodeCursor('after', input.after, isNumeric)));
  if (input.before != null)
    conditions.push(precedes(list.column, decodeCursor('before', input.before, isNumeric)));
  const orderBy = (list.order === 'ascending') === isBackward ? desc(list.column) : asc(list.column);

  const found = await list.read(conditions, orderBy, size + 1);
  const hasMore = found.length > size;
  const rows = found.slice(0, size);
  if (isBackward) rows.reverse();
  return {
    rows,
    hasNextPage: isBackward ? input.before != null : hasMore,
    hasPreviousPage: isBackward ? hasMore : input.after != null,
    cursorOf: (row) => Buffer.from(String(list.valueOf(row))).toString('base64url'),
  };
}

function pageSize(input: PageInput, maxRows: number): number {
  if (input.first != null && input.last != null)
    throw badInput('first', 'Give either first or last, not both.');
  const path = input.last != null ? 'last' : 'first';
  const size = input[path] ?? Math.min(DEFAULT_ROWS, maxRows);
  if (size < 1 || size > maxRows) throw badInput(path, `${path} must be between 1 and ${maxRows}.`);
  return size;
}

function decodeCursor(path: string, cursor: string, isNumeric: boolean): string | number {
  const value = Buffer.from(cursor, 'base64url').toString();
  if (!isNumeric && CURSOR_ID.test(value)) return value;
  if (isNumeric && CURSOR_NUMBER.test(value)) return Number(value);
  throw badInput(path, `${path} is no cursor of this list. Use one that the list returned.`);
}

function badInput(path: string, message: string): InvalidInputError {
  return new InvalidInputError([{ path, message }]);
}

const DEFAULT_ROWS = 50;
const CURSOR_ID = /^[a-z]{3}_[0-9a-z]{26}$/;
const CURSOR_NUMBER = /^\d{1,9}$/;
