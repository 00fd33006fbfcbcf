import { asObject, asObjects, asText, type JsonObject, parseJson } from '../json.ts';

/** A provider's error, read from any of the known shapes. */
export interface ErrorDescription {
  /** The provider's own message, not redacted; null if there is none or it is a web page. */
  message: string | null;
  /** Text that the failure table searches: the error's types, codes and reasons, one per line, and the message last. */
  evidence: string;
  /** HTTP status that the error itself names; null if it names none. */
  status: number | null;
  /** The delay of a google.rpc.RetryInfo, e.g. `34.4s`. */
  retryDelay: string | null;
  /** Whether it is a web page in place of an error. */
  isPage: boolean;
}

/** Describes the body of an error response. Everything beyond its first 65,536 characters is ignored. */
export function describeErrorBody(body: string): ErrorDescription {
  const text = body
    .slice(0, BODY_LENGTH)
    .replace(/^\uFEFF/, '')
    .trim();
  const json = parseJson(text);
  if (json !== undefined) return describeError(json);
  // A gateway's error page adds nothing to its status, and may contain any words.
  const isPage = text.startsWith('<');
  const evidence = isPage ? '' : text.slice(0, EVIDENCE_LENGTH);
  // Never shown: plain text may come from a server that is no provider at all.
  return { message: null, evidence, status: null, retryDelay: null, isPage };
}

/**
 * Describes a parsed error. Seen in the wild: `{error: {…}}`, the same in an array (Gemini), `{error: "…"}` (xAI, Ollama),
 * flat `{message}` and `{detail}` (Mistral, vLLM), `{message: {detail: [{msg}]}}` (Mistral), `{reason}` (Novita),
 * `{error_type, error_message, status_code}` (Venice, DeepInfra), `{errors: [{…}]}` (Cloudflare), `{response: {error}}` (a
 * failed response of OpenAI's and Perplexity's newer API), and the error of the vendor behind a gateway as a text inside the
 * gateway's own (OpenRouter's `metadata.raw`).
 */
export function describeError(json: unknown): ErrorDescription {
  const root = asObject(Array.isArray(json) ? json[0] : json) ?? {};
  const outer = asObject(root.response) ?? root;
  const error = asObject(outer.error) ?? asObjects(outer.error)[0] ?? asObjects(outer.errors)[0] ?? {};
  const details = [error.details, outer.details, error.innererror, outer.detail].flatMap(asDetails);
  const forwarded = asText(asObject(error.metadata)?.raw);

  const message = (asText(json) ?? findMessage(error, outer))?.slice(0, EVIDENCE_LENGTH) ?? null;
  const words = [error, outer, ...details].flatMap(wordsOf);
  if (forwarded !== null) words.push(forwarded);
  return {
    message,
    evidence: `${words.join('\n').slice(0, EVIDENCE_LENGTH)}\n${message ?? ''}`,
    status: statusIn(error) ?? statusIn(outer),
    retryDelay: details.map((detail) => asText(detail.retryDelay)).find((delay) => delay !== null) ?? null,
    isPage: false,
  };
}

const BODY_LENGTH = 65_536;
// Longer than any provider's error, and short enough to search fast.
const EVIDENCE_LENGTH = 4_096;

function findMessage(error: JsonObject, outer: JsonObject): string | null {
  const candidates = [
    ...[error.message, outer.error, outer.error_message, outer.message, outer.detail, outer.msg, outer.title],
  ];
  for (const candidate of candidates) {
    const inner = asObject(candidate);
    const message =
      asText(candidate) ?? asText(inner?.message) ?? joinDetail(inner?.detail) ?? joinDetail(candidate);
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
  const words = [
    part.type,
    part.code,
    part.status,
    part.reason,
    part.error_code,
    part.error_type,
    part.__type,
  ];
  return [...words, ...quotas]
    .filter((word) => typeof word === 'string' || typeof word === 'number')
    .map(String);
}

/** A number, or one written as text (Azure). */
function statusIn({ code, status, status_code, raw_status_code }: JsonObject): number | null {
  return [code, status_code, raw_status_code, status].map(Number).find(isHttpStatus) ?? null;
}

function isHttpStatus(value: number): boolean {
  return Number.isInteger(value) && value >= 400 && value <= 599;
}

/**
 * Whether an event inside a stream of status 200 says that the answer failed, in any of the forms that servers have for it: an
 * envelope `error`, `error_type` beside `choices: null`, a type or a name `error`, or a flat message in place of an answer.
 */
export function isErrorEvent(event: JsonObject, name?: string): boolean {
  if (name === 'error' || event.type === 'error' || event.object === 'error') return true;
  if (event.error || event.error_type || event.error_message) return true;
  const isAnswer =
    event.choices || event.candidates || event.output || /^response\./.test(String(event.type));
  return !isAnswer && describeError(event).message !== null;
}
