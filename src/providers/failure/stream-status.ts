/**
 * The HTTP status that an error inside a stream would have had as a response of its own, from its words: the stream's status is
 * 200 already. `evidence` is an ErrorDescription's. An error without a known word counts as the provider's: 500.
 */
export function findStreamStatus(evidence: string): number {
  return STATUS_WORDS.find(([words]) => words.test(evidence))?.[1] ?? 500;
}

const STATUS_WORDS: readonly (readonly [words: RegExp, status: number])[] = [
  [/overloaded|^unavailable$|^3505$|service_?unavailable/im, 503],
  [
    /insufficient_quota|rate[ _-]?limit|_limit_exceeded|credit_balance|resource_exhausted|throttling|too many requests/i,
    429,
  ],
  [/authentication_error|invalid[ _]api[ _]key|unauthenticated|unauthorized/i, 401],
  [/billing_error|billing_api_budget/i, 402],
  [/permission_error|permission[_-]denied|^forbidden$/im, 403],
  [/not_?found/i, 404],
  [/request_too_large|payload_too_large/i, 413],
  [/timeout/i, 504],
  [/invalid[_-]|^invalid|bad_?request|content_filter|content_policy/im, 400],
];
