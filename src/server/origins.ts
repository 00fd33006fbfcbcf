import type { IncomingMessage, ServerResponse } from 'node:http';

/** The origins whose pages may use a session cookie here: this server's own and those that the operator allowed. */
export type Origins = ReadonlySet<string>;

/**
 * Sets the CORS headers for pages of allowed origins: without them a browser does not let a page read the response. Answers a
 * preflight request itself and then returns true.
 */
export function allowOrigin(
  request: IncomingMessage,
  response: ServerResponse,
  origins: Origins,
  methods = 'GET, POST',
): boolean {
  const { origin } = request.headers;
  const isPreflight = request.method === 'OPTIONS';
  response.setHeader('vary', 'origin');
  if (origin !== undefined && origins.has(origin)) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-allow-credentials', 'true');
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
    if (isPreflight) {
      const asked = request.headers['access-control-request-headers'];
      response.setHeader('access-control-allow-methods', methods);
      if (asked !== undefined) response.setHeader('access-control-allow-headers', asked);
      response.setHeader('access-control-max-age', PREFLIGHT_AGE_SECONDS);
    }
  }
  if (isPreflight) response.writeHead(204).end();
  return isPreflight;
}

/**
 * Whether a URL can be made with the Host header. The libraries used here assume so and throw otherwise, with which any client
 * could fill the log.
 */
export function hasUsableHost({ headers: { host } }: IncomingMessage): boolean {
  return host === undefined || (HOST.test(host) && URL.canParse(`http://${host}`));
}

const HOST = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i;
const EXPOSED_HEADERS =
  'set-auth-token, retry-after, x-request-id, content-range, content-disposition, etag, repr-digest';
const PREFLIGHT_AGE_SECONDS = 600;
