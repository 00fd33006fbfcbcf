/**
 * A file was not read for a reason that lies with the server, not with the file: it can be read later. Codes: `QUEUE_FULL`,
 * `CLOSED` (the server is being shut down), `NOT_STARTED` and `ENDED` (of the child process), `SOURCE_TOO_SLOW`, and
 * `WRONG_LENGTH` (the source had more or fewer bytes than it said).
 */
export class ReadingFailedError extends Error {
  override readonly name = 'ReadingFailedError';
  readonly code: string;

  constructor(code: 'QUEUE_FULL' | 'CLOSED' | 'NOT_STARTED' | 'ENDED' | 'SOURCE_TOO_SLOW' | 'WRONG_LENGTH') {
    super(`The file was not read (${code}).`);
    this.code = code;
  }
}
