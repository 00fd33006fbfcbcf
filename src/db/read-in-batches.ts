/**
 * Reads rows in the order of a unique column, some at a time, so that memory stays small however many there are. `read`
 * gets the place that the last row had, undefined at the beginning, and how many rows to read at most.
 */
export async function* readInBatches<Row, Place>(
  placeOf: (row: Row) => Place,
  read: (after: Place | undefined, rows: number) => Promise<Row[]>,
): AsyncGenerator<Row> {
  let after: Place | undefined;
  for (;;) {
    const rows = await read(after, BATCH_ROWS);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = placeOf(last);
  }
}

const BATCH_ROWS = 100; // enough that the way to the database does not count
