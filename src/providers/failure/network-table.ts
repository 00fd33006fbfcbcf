import type { ProviderFailureCode } from './failure-table.ts';

/** Meaning of one of the HTTP client's own errors. */
export interface NetworkRow {
  /** Matched against Node's and undici's `code`, or against the name of an error that has none. */
  codes: RegExp;
  code: ProviderFailureCode;
}

/** The first matching row wins; any other error without a response is a network failure. */
const NETWORK_ROWS: readonly NetworkRow[] = [
  { codes: /^(UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT|ETIMEDOUT|TimeoutError)$/, code: 'TIMEOUT' },
  // It answered, but not in HTTP: the wrong port, or http in the place of https.
  { codes: /^(HTTPParserError|HPE_|UND_ERR_HEADERS_OVERFLOW)/, code: 'PROVIDER_ERROR' },
  { codes: /^(UND_ERR_INVALID_ARG|ERR_INVALID_CHAR)$/, code: 'BAD_REQUEST' },
];

/** The first row that matches any of the codes; null for a plain network failure. */
export function findNetworkRow(codes: readonly string[]): NetworkRow | null {
  return NETWORK_ROWS.find((row) => codes.some((code) => row.codes.test(code))) ?? null;
}
