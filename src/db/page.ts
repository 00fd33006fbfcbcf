import { asc, desc, gt, lt, type SQL, sql } from 'drizzle-orm';
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
  /** In the list's own order, also with `last`. */
  rows: Row[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  cursorOf(row: Row): string;
}

/** A list that is read in pages. */
export interface PagedList<Row> {
  /** Unique. Orders the list, or the rows with an equal `leading` value. */
  column: PgColumn;
  valueOf(row: Row): string | number;
  /** What the list is ordered by first: a time, or a word in capitals. It may change between two pages: a cursor holds the earlier value. */
  leading?: { column: PgColumn; valueOf(row: Row): Date | string };
  order: 'ascending' | 'descending';
  /** Most rows of one page. */
  maxRows: number;
  /** Runs the query with the conditions, order and limit it is given. */
  read(conditions: SQL[], orderBy: SQL, limit: number): Promise<Row[]>;
}

/** Reads one page of a list, and one row more to see whether there are further ones. */
export async function readPage<Row>(input: PageInput, list: PagedList<Row>): Promise<Page<Row>> {
  const isBackward = input.last != null;
  const size = pageSize(input, list.maxRows);
  const isAscending = list.order === 'ascending';
  const conditions: SQL[] = [];
  if (input.after != null) conditions.push(liesBeyond(list, 'after', input.after, isAscending ? gt : lt));
  if (input.before != null) conditions.push(liesBeyond(list, 'before', input.before, isAscending ? lt : gt));

  const found = await list.read(conditions, orderOf(list, isAscending === isBackward ? desc : asc), size + 1);
  const hasMore = found.length > size;
  const rows = found.slice(0, size);
  if (isBackward) rows.reverse();
  return {
    rows,
    hasNextPage: isBackward ? input.before != null : hasMore,
    hasPreviousPage: isBackward ? hasMore : input.after != null,
    cursorOf: (row) => Buffer.from(cursorText(list, row)).toString('base64url'),
  };
}

/** A list that is in memory as a whole, because its order cannot be read from columns. */
export interface SortedList<Row> {
  /** In the order of their keys. */
  rows: readonly Row[];
  /** Unique, and compared as text. It may change between two pages: a cursor holds the earlier one. */
  keyOf(row: Row): string;
  order: 'ascending' | 'descending';
  maxRows: number;
}

/** One page of a list that is in memory. */
export function pageOf<Row>(input: PageInput, { rows, keyOf, order, maxRows }: SortedList<Row>): Page<Row> {
  const size = pageSize(input, maxRows);
  const [after, before] = [readKey('after', input.after), readKey('before', input.before)];
  const isBeyond = (key: string, place: string) => (order === 'ascending' ? key > place : key < place);
  const between = rows.filter((row) => {
    const key = keyOf(row);
    return (after === null || isBeyond(key, after)) && (before === null || isBeyond(before, key));
  });
  const isBackward = input.last != null;
  const hasMore = between.length > size;
  return {
    rows: isBackward ? between.slice(-size) : between.slice(0, size),
    hasNextPage: isBackward ? before !== null : hasMore,
    hasPreviousPage: isBackward ? hasMore : after !== null,
    cursorOf: (row) => Buffer.from(keyOf(row)).toString('base64url'),
  };
}

function readKey(path: string, cursor: string | null | undefined): string | null {
  if (cursor == null) return null;
  const key = Buffer.from(cursor, 'base64url').toString();
  return CURSOR_KEY.test(key) ? key : noCursor(path);
}

function orderOf<Row>({ leading, column }: PagedList<Row>, direction: typeof asc): SQL {
  if (leading === undefined) return direction(column);
  return sql`${direction(leading.column)}, ${direction(column)}`;
}

function cursorText<Row>(list: PagedList<Row>, row: Row): string {
  const value = String(list.valueOf(row));
  const leading = list.leading?.valueOf(row);
  if (leading === undefined) return value;
  return `${leading instanceof Date ? leading.getTime() : leading} ${value}`;
}

function liesBeyond<Row>(
  { leading, column }: PagedList<Row>,
  path: string,
  cursor: string,
  isBeyond: typeof gt,
): SQL {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (leading === undefined) return isBeyond(column, readValue(path, text, column));
  const isTime = leading.column.dataType === 'object date';
  const [, first = '', value = ''] = (isTime ? CURSOR_TIME : CURSOR_WORD).exec(text) ?? [];
  const place = sql.param(isTime ? new Date(Number(first)) : first, leading.column);
  return isBeyond(sql`(${leading.column}, ${column})`, sql`(${place}, ${readValue(path, value, column)})`);
}

function pageSize(input: PageInput, maxRows: number): number {
  if (input.first != null && input.last != null)
    throw new InvalidInputError('first', 'Give either first or last, not both.');
  const path = input.last != null ? 'last' : 'first';
  const size = input[path] ?? Math.min(DEFAULT_ROWS, maxRows);
  if (size < 1 || size > maxRows)
    throw new InvalidInputError(path, `${path} must be between 1 and ${maxRows}.`);
  return size;
}

function readValue(path: string, text: string, column: PgColumn): string | number {
  const isNumeric = column.dataType.startsWith('number');
  if (!isNumeric && CURSOR_ID.test(text)) return text;
  if (isNumeric && CURSOR_NUMBER.test(text)) return Number(text);
  return noCursor(path);
}

function noCursor(path: string): never {
  throw new InvalidInputError(path, `${path} is no cursor of this list. Use one that the list returned.`);
}

const DEFAULT_ROWS = 50;
const CURSOR_ID = /^[a-z]{3}_[0-9a-z]{26}$/;
const CURSOR_KEY = /^(?:\d{1,12} )?[a-z]{3}_[0-9a-z]{26}$/;
const CURSOR_NUMBER = /^\d{1,9}$/;
const CURSOR_TIME = /^(\d{1,14}) (.*)$/;
const CURSOR_WORD = /^([A-Z]{1,20}) (.*)$/;
