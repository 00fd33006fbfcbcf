/** Too little disk space for writing. It has PostgreSQL's code, which PostgreSQL itself would throw a little later. */
export class DiskFullError extends Error {
  override readonly name = 'DiskFullError';
  readonly code = '53100';

  constructor() {
    super('The disk of the database is full.');
  }
}

/** Two WAL segments, which PostgreSQL allocates in full before it writes to them, and what is written between two checks. */
export const RESERVE_BYTES = 48 * 2 ** 20;
