import { classifyFailure, classifyStreamError, ProviderError } from '../failure/failure.ts';
import { asObject, DOCUMENT_LIMITS, type JsonObject, parseJson } from '../json.ts';
import { type ProviderCall, type ProviderName, type ProviderPlace, secretsOf } from '../provider.ts';
import { CUSTOM_DEADLINES, DEADLINES, type Deadlines, XAI_DEADLINES } from './deadlines.ts';
import type { Egress, EgressPlace, EgressResponse } from './egress.ts';
import { encodeJson } from './json-body.ts';
import { readBody, readFailure } from './read-body.ts';

/** HTTP client of one adapter. Paths are below the key's base URL; every failure is a ProviderError. */
export interface Transport {
  name: ProviderName;
  deadlines: Deadlines;
  /** Reads a JSON document. Throws for a status other than 2xx, for an error sent with status 200, and for other text than JSON. */
  getJson(call: ProviderCall, path: string, headers: HeaderFields): Promise<unknown>;
  /**
   * Sends a JSON document, in which `Base64Text` stands for files, and resolves with a response of status 2xx, whose body the caller
   * reads or destroys.
   */
  post(call: ProviderCall, post: Post): Promise<EgressResponse>;
  /** Connects to the server of a key that is likely to be called soon. */
  connectAhead(place: ProviderPlace): void;
}

export interface Post {
  path: string;
  headers: HeaderFields;
  body: JsonObject;
  corrections?: readonly Correction[] | undefined;
}

/** What to change in a body that the server refuses as a bad request, if the text of its error matches. Used once. */
export interface Correction {
  pattern: RegExp;
  correct(body: JsonObject): JsonObject;
}

type HeaderFields = Readonly<Record<string, string>>;

export interface TransportOptions {
  egress: Egress;
  /** The operator's own base URLs. They replace the published ones and are trusted like the rest of the configuration. */
  urls: Partial<Record<ProviderName, string>>;
  /** For every provider; their usual ones if absent. */
  deadlines?: Deadlines;
}

/** Creates the transport of one provider. */
export function createTransport(
  name: ProviderName,
  { egress, urls, ...options }: TransportOptions,
): Transport {
  const deadlines = options.deadlines ?? OWN_DEADLINES[name] ?? DEADLINES;

  function placeOf({ tenantId, baseUrl }: ProviderPlace, path: string): EgressPlace {
    const trusted = urls[name];
    const url = (trusted ?? baseUrl).replace(/\/+$/, '') + path;
    return { tenantId, url, isTrusted: trusted !== undefined };
  }

  return {
    name,
    deadlines,

    async getJson(call, path, headers) {
      const response = await egress.request({
        ...placeOf(call, path),
        signal: call.signal,
        method: 'GET',
        headers: { ...call.headers, ...headers, accept: 'application/json' },
        headersTimeoutMs: LIST_SILENCE_MS,
      });
      const reading = { signal: call.signal, silenceMs: () => LIST_SILENCE_MS, tenantId: call.tenantId };
      if (!isSuccess(response)) {
        throw await readFailure(name, response, { ...reading, secrets: secretsOf(call) });
      }
      const json = parseJson(await readBody(response.body, reading), DOCUMENT_LIMITS);
      if (json === undefined) throw new ProviderError('PROVIDER_ERROR', { status: response.status });
      if (asObject(json)?.error) throw classifyStreamError(name, json, secretsOf(call));
      return json;
    },

    async post(call, { path, headers, body, corrections = [] }) {
      const response = await egress.request({
        ...placeOf(call, path),
        signal: call.signal,
        method: 'POST',
        headers: {
          ...call.headers,
          ...headers,
          'content-type': 'application/json',
          accept: 'text/event-stream',
        },
        body: encodeJson(body),
        headersTimeoutMs: deadlines.silenceBeforeTextMs,
      });
      if (isSuccess(response)) return response;

      const { status } = response;
      const { signal, tenantId } = call;
      const secrets = secretsOf(call);
      const reading = { signal, silenceMs: () => deadlines.silenceAfterTextMs, tenantId };
      if (corrections.length === 0 || (status !== 400 && status !== 422)) {
        throw await readFailure(name, response, { ...reading, secrets });
      }
      const text = await readBody(response.body, { ...reading, limitBytes: REFUSAL_BYTES });
      const correction = corrections.find(({ pattern }) => pattern.test(text));
      if (correction !== undefined) {
        const rest = corrections.filter((each) => each !== correction);
        return this.post(call, { path, headers, body: correction.correct(body), corrections: rest });
      }
      throw classifyFailure(name, { status, headers: response.headers, body: text, secrets });
    },

    connectAhead: (place) => egress.connectAhead(placeOf(place, '')),
  };
}

const OWN_DEADLINES: Partial<Record<ProviderName, Deadlines>> = {
  CUSTOM: CUSTOM_DEADLINES,
  XAI: XAI_DEADLINES,
};

/** Sends the body without a field of this name if the server refuses it by name. */
export function dropping(field: string): Correction {
  return {
    pattern: new RegExp(field),
    correct: ({ [field]: _, ...rest }) => rest,
  };
}

/** The header of most providers; none for a server that needs no key. */
export function bearer(call: ProviderCall): HeaderFields {
  return call.secret === '' ? {} : { authorization: `Bearer ${call.secret}` };
}

/** A provider's cursor, encoded for a URL. Throws PROVIDER_ERROR for a lone surrogate, which no URL can hold. */
export function queryValue(word: string): string {
  if (!word.isWellFormed()) throw new ProviderError('PROVIDER_ERROR');
  return encodeURIComponent(word);
}

function isSuccess({ status }: EgressResponse): boolean {
  return status >= 200 && status < 300;
}

// Providers need no time to make a list, so one that has not begun to arrive by then will not come.
const LIST_SILENCE_MS = 30_000;

// A refusal that names a field is a few lines; a longer body is another error.
const REFUSAL_BYTES = 65_536;
