/** Response headers of undici, by lower-case name. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * How long a provider asks to wait, in milliseconds and at most an hour; null if it does not say. `said` are the delays in the
 * error itself. In order of trust: the standard header, the exhausted limits' resets, RetryInfo (Gemini), the message.
 */
export function readRetryAfter(
  headers: ResponseHeaders,
  said: { retryDelay: string | null; message: string | null },
  nowMs: number,
): number | null {
  return (
    clamp(asNumber(headers['retry-after-ms'])) ??
    clamp(readRetryAfterHeader(headers['retry-after'], nowMs)) ??
    clamp(readResets(headers, nowMs)) ??
    clamp(parseDurationMs(said.retryDelay)) ??
    clamp(parseDurationMs(durationIn(said.message)))
  );
}

const LONGEST_WAIT_MS = 3_600_000;

function clamp(waitMs: number | null): number | null {
  if (waitMs === null || !Number.isFinite(waitMs) || waitMs <= 0) return null;
  return Math.ceil(Math.min(waitMs, LONGEST_WAIT_MS));
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3). */
function readRetryAfterHeader(value: string | string[] | undefined, nowMs: number): number | null {
  const seconds = asNumber(value);
  if (seconds !== null) return seconds * 1000;
  return typeof value === 'string' ? Date.parse(value) - nowMs : null;
}

/**
 * The longest wait among the limits that are used up: `x-ratelimit-reset-requests: 6m0s` (OpenAI),
 * `anthropic-ratelimit-tokens-reset: 2026-11-23T12:00:00Z`. A limit with something remaining did not cause the refusal.
 */
function readResets(headers: ResponseHeaders, nowMs: number): number | null {
  const waitsMs = Object.entries(headers).flatMap(([name, value]) => {
    if (!RESET_HEADER.test(name) || typeof value !== 'string') return [];
    if ((asNumber(headers[name.replace('reset', 'remaining')]) ?? 0) > 0) return [];
    return parseDurationMs(value) ?? Date.parse(value) - nowMs;
  });
  return waitsMs.length === 0 ? null : Math.max(...waitsMs);
}

const RESET_HEADER = /^(x-ratelimit-reset-(requests|tokens)|anthropic-ratelimit-[a-z-]{1,40}-reset)$/;

/** The first characters after "try again in" or "retry in". */
function durationIn(message: string | null): string | null {
  const found = message === null ? null : /\b(?:try again|retry) in\s/i.exec(message);
  return found === null ? null : found.input.slice(found.index + found[0].length).slice(0, 40);
}

/** Reads a duration as Go writes it (`1m12.5s`, `20ms`) or a person would (`20 seconds`); null if the text begins otherwise. */
function parseDurationMs(text: string | null): number | null {
  if (text === null) return null;
  const part = /(\d{1,12}(?:\.\d{1,12})?)\s?(ms|h|m|s)/y;
  let totalMs: number | null = null;
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    totalMs = (totalMs ?? 0) + Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
  }
  return totalMs;
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function asNumber(value: string | string[] | undefined): number | null {
  return typeof value === 'string' && /^\s*\d{1,15}(\.\d{1,15})?\s*$/.test(value) ? Number(value) : null;
}
