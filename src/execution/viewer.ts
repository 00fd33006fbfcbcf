import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { OperatorToken } from '../accounts/operator-token.ts';
import type { Sessions, Viewer } from '../accounts/session.ts';
import { logScope } from '../log.ts';
import { type Networks, readAddress } from '../networks.ts';
import { maskError } from './mask-error.ts';
import type { PersonLimits } from './person-limits.ts';
import type { RequestContext } from './request-context.ts';

/**
 * Authenticates a request and applies the rate limit, before anything is parsed. An invalid token is refused: without a viewer
 * the response would have nulls, which its sender would take for data. An invalid cookie is not, since a page cannot delete it
 * and has to read what a signed-out person may.
 */
export function identifyViewer(
  limits: PersonLimits,
  viewerOf: (request: IncomingMessage) => Promise<Viewer | null>,
  addressOf: (request: IncomingMessage) => string,
): Plugin<RequestContext, RequestContext> {
  return {
    async onParams({ context, setResult }) {
      const { req } = context;
      if (req === undefined) return;
      try {
        context.viewer = await viewerOf(req);
        noteViewer(context.viewer);
        context.subject = context.viewer?.id ?? `address ${addressOf(req)}`;
        limits.takeOperation(context.subject);
        if (context.viewer === null && req.headers.authorization !== undefined) throw tokenRefused();
        context.place?.belongsTo(context.subject);
      } catch (error) {
        setResult({ errors: [maskError(error)] });
      }
    },
  };
}

/** The viewer of a request: by bearer token if there is one, else by cookie. Null without a session. */
export async function viewerOfRequest(
  sessions: Sessions,
  request: IncomingMessage,
  trustedProxies: Networks,
  /** Replaces the header, for sockets, where browsers cannot set one. */
  authorization: string | undefined = request.headers.authorization,
): Promise<Viewer | null> {
  const headers = new Headers();
  if (authorization !== undefined) headers.set('authorization', authorization);
  else if (request.headers.cookie !== undefined) headers.set('cookie', request.headers.cookie);
  else return null;
  return await sessions.viewerOf(headers, addressOf(request, trustedProxies));
}

/**
 * The normalised address of the client: the last one named by the chain of trusted proxies, else that of the socket. Limits
 * count by its `networkOf`.
 */
export function addressOf(request: IncomingMessage, trustedProxies: Networks): string {
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  const chain = [...forwarded.filter((part) => part.trim() !== ''), request.socket.remoteAddress ?? ''];
  let nearest: string | null = null;
  // From the right, each address was written by the one after it; the first that is no proxy of ours is the client.
  for (const text of chain.reverse()) {
    const address = readAddress(text);
    if (address === null) break;
    nearest = address;
    if (!trustedProxies.includes(address)) break;
  }
  return nearest ?? 'unknown';
}

/** Whether a request is authenticated by a cookie only, which a browser also sends for a foreign page. */
export function restsOnCookie(request: IncomingMessage): boolean {
  return request.headers.authorization === undefined && request.headers.cookie !== undefined;
}

/** The operator's token in a request, not yet verified. Sockets have none, since a program of the operator needs no socket. */
export function operatorTokenIn(request: IncomingMessage): string | undefined {
  const given = request.headers['x-latchkey-operator-token'];
  return given === undefined ? undefined : String(given);
}

/** Whether a token is the operator's. Throws RATE_LIMITED after too many wrong tokens from the address. */
export async function isFromOperator(given: string, token: OperatorToken, address: string): Promise<boolean> {
  const { isValid, retryAt } = await token.verify(given, address);
  if (retryAt === null) return isValid;
  const seconds = Math.max(1, Math.ceil((retryAt.getTime() - Date.now()) / 1_000));
  throw new GraphQLError(
    'Too many wrong operator tokens. Correct the token, wait a little, then try again.',
    {
      extensions: {
        code: 'RATE_LIMITED',
        http: { status: 429, headers: { 'retry-after': String(seconds) } },
      },
    },
  );
}

/** Makes the viewer's id part of every log line about this operation, a refusal included. */
export function noteViewer(viewer: Viewer | null): void {
  const scope = logScope.getStore();
  if (scope !== undefined && viewer !== null) scope.userId = viewer.id;
}

function tokenRefused(): GraphQLError {
  return new GraphQLError(
    'The token in the Authorization header is not valid, or its session has ended. Sign in again.',
    { extensions: { code: 'UNAUTHENTICATED', http: { status: 401, spec: true } } },
  );
}
