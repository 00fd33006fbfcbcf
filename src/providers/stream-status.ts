/**
 * The HTTP status that an error would have had, had it come before the stream and not inside it: there the status is 200
 * long since and only words remain. `evidence` is an ErrorDescription's. An error without a known word is the provider's: 500.
 */
export function findStreamStatus(evidence: string): number {
  return STATUS_WORDS.find(([words]) => words.test(evidence))?.[1] ?? 500;
}

const STATUS_WORDS: readonly (readonly [words: RegExp, status: number])[] = [
  [/overloaded|^unavailable$|^3505$/im, 503],
  [/insufficient_quota|rate_?limit|_limit_exceeded|credit_balance|resource_exhausted/i, 429],
  [/authentication_error|invalid_api_key|unauthenticated/i, 401],
  [/billing_error|billing_api_budget/i, 402],
  [/permission_error|permission[_-]denied|^forbidden$/im, 403],
  [/not_found/i, 404],
  [/request_too_large|payload_too_large/i, 413],
  [/timeout/i, 504],
  [/invalid[_-]|context[_ ]length|context window|too long|content_filter|content_policy/i, 400],
];
