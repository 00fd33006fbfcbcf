/**
 * Reads rows in the order of a unique column, in batches, so that memory stays small with many rows. `read` gets the cursor of
 * the last row, undefined at the beginning, and the number of rows to read at most.
 */
export async function* readInBatches<Row, Cursor>(
  cursorOf: (row: Row) => Cursor,
  read: (after: Cursor | undefined, rows: number) => Promise<Row[]>,
): AsyncGenerator<Row> {
  let after: Cursor | undefined;
  for (;;) {
    const rows = await read(after, BATCH_ROWS);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = cursorOf(last);
  }
}

const BATCH_ROWS = 100; // enough that round trips to the database do not matter
