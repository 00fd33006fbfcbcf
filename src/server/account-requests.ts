import type { IncomingMessage, ServerResponse } from 'node:http';
import { ADDRESS_HEADER, ENDPOINTS } from '../accounts/account-rules.ts';
import type { Sessions } from '../accounts/session.ts';
import { type LogScope, logScope } from '../log.ts';
import { MAX_ACCOUNT_REQUEST_BYTES } from './policy.ts';
import { sendJson } from './response.ts';

/**
 * Answers `/api/auth/*`. Refuses bodies that are too large or no JSON object before they reach better-auth, and removes the
 * headers with which a client could forge its address or this server's name. Rejects with the error of a failure.
 */
export async function serveAccount(
  deps: { sessions: Sessions; publicUrl: string },
  request: IncomingMessage,
  response: ServerResponse,
  /** Network address of the client. */
  address: string,
): Promise<void> {
  const url = new URL(`${deps.publicUrl}${request.url}`);
  const { method = '' } = request;
  if (method !== 'GET' && method !== 'POST')
    return refuse(response, 405, 'Send GET or POST.', { allow: 'GET, POST' });
  if (/%(?:00|[01][\da-f]|7f)/i.test(request.url ?? ''))
    return refuse(response, 400, 'The URL has a control character.');

  const body = await readBody(request);
  if (body === undefined) {
    const limit = `At most ${MAX_ACCOUNT_REQUEST_BYTES / 1024} KiB.`;
    return refuse(response, 413, `The request is too large. ${limit}`, { connection: 'close' });
  }
  const input = body.length === 0 ? {} : parseObject(body.toString());
  if (input === undefined) return refuse(response, 400, 'The body is no JSON object.');

  const path = url.pathname.replace('/api/auth', '');
  noteForLog({ address, ...(ENDPOINTS.has(path) && { operation: path }) });
  const headers = headersOf(request, address);
  const answer = await deps.sessions.handler(
    new Request(url, { method, headers, ...(body.length > 0 && { body: new Uint8Array(body) }) }),
  );
  await send(response, answer);
}

/** The whole body; undefined if it is too large, with or without a Content-Length. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_ACCOUNT_REQUEST_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > MAX_ACCOUNT_REQUEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function headersOf(request: IncomingMessage, address: string): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (!name.startsWith('x-forwarded-')) headers.set(name, [value ?? []].flat().join(', '));
  headers.set(ADDRESS_HEADER, address);
  if (!BROWSER_HEADERS.some((name) => headers.has(name))) headers.delete('sec-fetch-mode');
  return headers;
}

/**
 * A browser sends at least one of these with a POST, and a request with one has to name an allowed origin. The `fetch` of Node
 * sends `sec-fetch-mode` and none of them: better-auth would take it for a browser that hides its origin.
 */
const BROWSER_HEADERS = ['cookie', 'origin', 'referer', 'sec-fetch-site', 'sec-fetch-dest'];

async function send(response: ServerResponse, answer: Response): Promise<void> {
  const text = await answer.text();
  if (answer.status >= 400) noteForLog({ code: codeOf(text) });
  const body = withSignedToken(text, answer.headers.get('set-auth-token'));
  for (const [name, value] of answer.headers) if (name !== 'set-cookie') response.setHeader(name, value);
  response.setHeader('set-cookie', answer.headers.getSetCookie());
  response.setHeader('cache-control', 'no-store');
  response.writeHead(answer.status).end(body);
}

/** better-auth puts the stored token into the JSON, without the signature, without which it is not accepted. */
function withSignedToken(body: string, token: string | null): string {
  const json = parseObject(body);
  return typeof json?.token === 'string' ? JSON.stringify({ ...json, token }) : body;
}

/** Refuses in better-auth's own form, so that clients have only one to parse. */
function refuse(response: ServerResponse, status: number, message: string, headers: object = {}): void {
  noteForLog({ code: CODES[status] });
  sendJson(response, status, { code: CODES[status], message }, headers);
}

function codeOf(body: string): string | undefined {
  const code = parseObject(body)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Adds fields to the log line about the end of the request. */
function noteForLog(facts: Partial<LogScope>): void {
  Object.assign(logScope.getStore() ?? {}, facts);
}

const CODES: Readonly<Record<number, string>> = {
  400: 'BAD_INPUT',
  405: 'METHOD_NOT_ALLOWED',
  413: 'TOO_LARGE',
};
