import { type ResponseHeaders, readRetryAfter } from '../http/retry-after.ts';
import type { ProviderName } from '../provider.ts';
import { describeError, describeErrorBody, type ErrorDescription } from './error-body.ts';
import { findFailureRow, type ProviderFailureCode } from './failure-table.ts';
import { findNetworkRow } from './network-table.ts';
import { redact } from './redact.ts';
import { findStreamStatus } from './stream-status.ts';

/**
 * A failed provider call. The sentences for `code` are in answer-error.ts. It carries no headers, body, request, URL or `cause`,
 * because each of them is a way for a key to reach a log.
 */
export class ProviderError extends Error {
  override readonly name: string = 'ProviderError';
  readonly code: ProviderFailureCode;
  /** HTTP status of the response; null where there was none. */
  readonly status: number | null;
  /** How long the provider asks to wait, at most an hour; null if it does not say or waiting would not help. */
  readonly retryAfterMs: number | null;
  /**
   * Whether the provider's own words state the failure. False if only the status does: proxies, challenge pages and overloaded
   * gateways send 401 and 403 too, so such a response proves nothing about a key.
   */
  readonly isExplicit: boolean;
  readonly #providerText: string | null;

  constructor(code: ProviderFailureCode, facts: ProviderErrorFacts = {}) {
    super(facts.message ?? `Provider call failed: ${code}`);
    this.code = code;
    this.status = facts.status ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.isExplicit = facts.isExplicit ?? true;
    this.#providerText = facts.providerText ?? null;
  }

  /**
   * The provider's own words, redacted and cut to 500 characters; null if it gave none. For those who manage the key and
   * never for logs: providers echo parts of keys and prompts. A private field, so that no logger serialises it.
   */
  get providerText(): string | null {
    return this.#providerText;
  }
}

export interface ProviderErrorFacts {
  status?: number | null;
  retryAfterMs?: number | null;
  /** True if absent. */
  isExplicit?: boolean;
  /** Must be redacted already. */
  providerText?: string | null;
  /** A sentence for the person, where there is more to say than the code does; must be written by us. */
  message?: string;
}

export interface FailedResponse {
  status: number;
  headers: ResponseHeaders;
  /** The body as text; empty if it could not be read. */
  body: string;
  /** The secrets of the call: their every occurrence is redacted, whatever their shape. */
  secrets?: readonly string[];
}

/** Classifies a response with another status than 2xx. HTTP dates are compared with `nowMs`. */
export function classifyFailure(
  provider: ProviderName,
  { status, headers, body, secrets }: FailedResponse,
  nowMs: number = Date.now(),
): ProviderError {
  const described = describeErrorBody(body);
  // Cloudflare marks a challenge by this header, whatever its body is.
  const description = { ...described, isPage: described.isPage || headers['cf-mitigated'] !== undefined };
  return providerError(provider, status, description, { status, headers, secrets, nowMs });
}

/** Classifies an error object inside a stream that began with status 200. */
export function classifyStreamError(
  provider: ProviderName,
  json: unknown,
  secrets?: readonly string[],
): ProviderError {
  const description = describeError(json);
  const status = description.status ?? findStreamStatus(description.evidence);
  const facts = { status: description.status, headers: {}, secrets, nowMs: Date.now() };
  return providerError(provider, status, description, facts);
}

/**
 * Classifies an exception of the HTTP client; a ProviderError is returned as it is. An aborted call is no failure: the caller
 * checks `signal.aborted` first and throws `signal.reason`.
 */
export function classifyNetworkError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  return new ProviderError(findNetworkRow(networkCodes(error))?.code ?? 'NETWORK');
}

/**
 * Whether to retry the same request: the provider is busy, or failed before it began to answer. Not after an unusable response
 * of status 2xx, because it is paid for, nor after a gateway's timeout, because the abandoned answer may be paid for too.
 */
export function isWorthRepeating({ code, status }: ProviderError): boolean {
  switch (code) {
    case 'RATE_LIMITED':
    case 'PROVIDER_OVERLOADED':
      return true;
    case 'PROVIDER_ERROR':
      return status !== null && status >= 500 && status !== 501 && status !== 505;
    case 'TIMEOUT':
      return status === 408;
    default:
      return false;
  }
}

function providerError(
  provider: ProviderName,
  status: number,
  description: ErrorDescription,
  facts: {
    status: number | null;
    headers: ResponseHeaders;
    secrets: readonly string[] | undefined;
    nowMs: number;
  },
): ProviderError {
  const row = findFailureRow(provider, status, description);
  const waits = TRANSIENT_CODES.has(row.code);
  return new ProviderError(row.code, {
    status: facts.status,
    isExplicit: row.says !== undefined,
    retryAfterMs: waits ? readRetryAfter(facts.headers, description, facts.nowMs) : null,
    // Redacted before it is cut, or the first half of a key could survive at the cut.
    providerText:
      description.message && redact(description.message, facts.secrets).slice(0, PROVIDER_TEXT_LENGTH),
  });
}

/** Codes whose retry delay is used. With others it is wrong: Gemini sends a short delay with a quota per day. */
const TRANSIENT_CODES: ReadonlySet<ProviderFailureCode> = new Set([
  'RATE_LIMITED',
  'PROVIDER_OVERLOADED',
  'PROVIDER_ERROR',
]);

const PROVIDER_TEXT_LENGTH = 500;

/** The error's own code, its cause's, and those of every address that was tried. */
function networkCodes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const attempts: unknown[] = error instanceof AggregateError ? error.errors : [];
  return [error, error.cause, ...attempts].flatMap((part) => {
    if (!(part instanceof Error)) return [];
    return 'code' in part && typeof part.code === 'string' ? [part.code] : [part.name];
  });
}
