import type { IncomingMessage } from 'node:http';
import type { Sessions, Viewer } from '../accounts/session.ts';

/** Who sends a request: by bearer token if there is one, else by cookie. Null for nobody. */
export async function viewerOfRequest(
  sessions: Sessions,
  request: IncomingMessage,
  trustedProxies: readonly string[],
  /** Replaces the header, for sockets, whose clients in browsers cannot set one. */
  authorization: string | undefined = request.headers.authorization,
): Promise<Viewer | null> {
  const headers = new Headers();
  if (authorization !== undefined) headers.set('authorization', authorization);
  else if (request.headers.cookie !== undefined) headers.set('cookie', request.headers.cookie);
  else return null;
  return await sessions.viewerOf(headers, addressOf(request, trustedProxies));
}

/** The address a request comes from: the last one named by the chain of trusted proxies, else the socket's own. */
export function addressOf(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  const chain = [...forwarded.map((address) => address.trim()), request.socket.remoteAddress ?? 'unknown'];
  // From the right, each address was written by the one after it; the first that is no proxy of ours is the client.
  return chain.reverse().find((address) => !trustedProxies.includes(address)) ?? 'unknown';
}

/** Whether a request is authenticated by nothing but a cookie, which a browser also sends for a foreign page. */
export function restsOnCookie(request: IncomingMessage): boolean {
  return request.headers.authorization === undefined && request.headers.cookie !== undefined;
}
