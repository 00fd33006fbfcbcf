import { type CellObject, type DenseWorkSheet, read, utils } from '@e965/xlsx';
import type { Reply } from '../reply.ts';
import { BoundedText, textReply, withCommas } from './bounded-text.ts';
import type { Zip } from './zip.ts';

/** Reads the visible sheets of a workbook as CSV, with the results of formulas. */
export async function readSheets(bytes: Uint8Array, zip: Zip): Promise<Reply> {
  await zip.requireAtMost(LARGEST_UNPACKED_BYTES); // the library has no limit of its own
  const book = read(bytes, {
    type: 'buffer',
    dense: true,
    sheetRows: MOST_ROWS + 1, // one more, which tells that there are more
    sheetStubs: true, // cells of which only the formula is saved
    cellDates: true,
    UTC: true,
  });
  const visible = book.SheetNames.filter((_, index) => !book.Workbook?.Sheets?.[index]?.Hidden);
  const bounded = new BoundedText();
  for (const name of visible) {
    if (bounded.isFull) break;
    addSheet(bounded, name.slice(0, LONGEST_NAME), book.Sheets[name] as DenseWorkSheet);
  }
  return textReply('xlsx', bounded, {
    notes: visible.length < book.SheetNames.length ? ['HIDDEN_SHEETS'] : [],
  });
}

function addSheet(bounded: BoundedText, name: string, sheet: DenseWorkSheet): void {
  const rows = sheet['!data'];
  // `filter` leaves out the holes as well: rows that are not there.
  const texts = rows
    .slice(0, MOST_ROWS)
    .map(rowText)
    .filter((text) => text !== '');
  if (texts.length > 0 && !bounded.add(`[sheet ${name}]\n${texts.join('\n')}\n\n`)) {
    bounded.leaveOut(`The text is cut here, in sheet ${name}.`);
  }
  // The size that a sheet says of itself, which not every program writes.
  const fullRange = sheet['!fullref'];
  const rowCount = fullRange === undefined ? rows.length : utils.decode_range(fullRange).e.r + 1;
  if (rowCount > MOST_ROWS) leaveOut(bounded, name, `rows after ${withCommas(MOST_ROWS)}`);
  if (rows.some((row) => row.slice(MOST_COLUMNS).some((cell) => cellText(cell) !== ''))) {
    leaveOut(bounded, name, `columns after ${MOST_COLUMNS}`);
  }
}

function leaveOut(bounded: BoundedText, name: string, what: string): void {
  bounded.leaveOut(`Of sheet ${name}, ${what} are left out.`);
}

/** One line of CSV, without empty cells at its end. Cells that a row lacks are holes in the array. */
function rowText(row: CellObject[]): string {
  const cells = Array.from(row.slice(0, MOST_COLUMNS), (cell) => (cell === undefined ? '' : cellText(cell)));
  const last = cells.findLastIndex((cell) => cell !== '');
  return cells
    .slice(0, last + 1)
    .map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',');
}

/** What the cell shows, but dates in one form for all. A formula that was never calculated is shown itself. */
function cellText(cell: CellObject): string {
  if (cell.v instanceof Date) return dateText(cell.v);
  if (cell.t === 'z') return cell.f === undefined ? '' : `=${cell.f}`;
  return cell.w ?? String(cell.v ?? '');
}

/** Dates are stored as fractions of days, which are a little off the second. */
function dateText(date: Date): string {
  const rounded = new Date(Math.round(date.getTime() / 1_000) * 1_000);
  const [day = '', time = ''] = rounded.toISOString().slice(0, -'.000Z'.length).split('T');
  return time === '00:00:00' ? day : `${day} ${time}`;
}

/** Over a million cells. The library needs up to seven times as much memory. */
const LARGEST_UNPACKED_BYTES = 64 * 2 ** 20;
const MOST_ROWS = 10_000; // of each sheet; fewer if they are long
const MOST_COLUMNS = 500;
const LONGEST_NAME = 100; // Excel itself allows 31
