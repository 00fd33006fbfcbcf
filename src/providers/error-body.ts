import { asObject, asObjects, asText, type JsonObject, parseJson } from './json.ts';

/** What a provider's error says, whatever shape it came in. */
export interface ErrorDescription {
  /** The provider's own message, not redacted; null if there is none or it is a web page. */
  message: string | null;
  /** What the failure table looks at: the error's types, codes and reasons, one per line, and the message last. */
  evidence: string;
  /** HTTP status that the error itself names; null if it names none. */
  status: number | null;
  /** The delay of a google.rpc.RetryInfo, e.g. `34.4s`. */
  retryDelay: string | null;
}

/** Describes the body of an error response. Everything beyond its first 65,536 characters is ignored. */
export function describeErrorBody(body: string): ErrorDescription {
  const text = body.slice(0, TEXT_LENGTH).trim();
  const json = parseJson(text);
  if (json !== undefined) return describeError(json);
  // A gateway's error page tells nothing that its status does not, and may speak of anything.
  const evidence = text.startsWith('<') ? '' : text;
  // Not shown to anyone: plain text may come from a server that is no provider at all.
  return { message: null, evidence, status: null, retryDelay: null };
}

/**
 * Describes a parsed error. Seen in the wild: `{error: {…}}`, the same in an array (Gemini), `{error: "…"}` (xAI, Ollama),
 * flat `{message}` and `{detail}` (Mistral, vLLM), `{message: {detail: [{msg}]}}` (Mistral), `{reason}` (Novita),
 * `{response: {error}}` (a failed response of OpenAI's and Perplexity's newer API).
 */
export function describeError(json: unknown): ErrorDescription {
  const root = asObject(Array.isArray(json) ? json[0] : json) ?? {};
  const outer = asObject(root.response) ?? root;
  const error = asObject(outer.error) ?? {};
  const details = [error.details, outer.details].flatMap(asDetails);

  const message = (asText(json) ?? findMessage(error, outer))?.slice(0, TEXT_LENGTH) ?? null;
  const words = [error, outer, ...details].flatMap(wordsOf).join('\n').slice(0, TEXT_LENGTH);
  return {
    message,
    evidence: `${words}\n${message ?? ''}`,
    status: [error.code, outer.code, outer.raw_status_code].find(isHttpStatus) ?? null,
    retryDelay: details.map((detail) => asText(detail.retryDelay)).find((delay) => delay !== null) ?? null,
  };
}

// More than any provider has to say; less than what would take long to search.
const TEXT_LENGTH = 65_536;

function findMessage(error: JsonObject, outer: JsonObject): string | null {
  const candidates = [error.message, outer.error, outer.message, outer.detail, outer.msg];
  for (const candidate of candidates) {
    const message = asText(candidate) ?? joinDetail(asObject(candidate)?.detail) ?? joinDetail(candidate);
    if (message !== null) return message;
  }
  return null;
}

/** A list of google.rpc details (Gemini), or one object (Anthropic). */
function asDetails(value: unknown): JsonObject[] {
  const single = asObject(value);
  return single === null ? asObjects(value) : [single];
}

/** The messages of a list of field errors, as FastAPI writes them. */
function joinDetail(value: unknown): string | null {
  return asText(
    asObjects(value)
      .flatMap((entry) => asText(entry.msg) ?? [])
      .join('; '),
  );
}

function wordsOf(part: JsonObject): string[] {
  const quotas = asObjects(part.violations).map((violation) => violation.quotaId);
  const words = [part.type, part.code, part.status, part.reason, part.error_code, ...quotas];
  return words.filter((word) => typeof word === 'string' || typeof word === 'number').map(String);
}

function isHttpStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 400 && value <= 599;
}
