import type { IncomingMessage } from 'node:http';
import type { Sessions, Viewer } from '../accounts/session.ts';
import { type Networks, readAddress } from '../networks.ts';

/** Who sends a request: by bearer token if there is one, else by cookie. Null for nobody. */
export async function viewerOfRequest(
  sessions: Sessions,
  request: IncomingMessage,
  trustedProxies: Networks,
  /** Replaces the header, for sockets, whose clients in browsers cannot set one. */
  authorization: string | undefined = request.headers.authorization,
): Promise<Viewer | null> {
  const headers = new Headers();
  if (authorization !== undefined) headers.set('authorization', authorization);
  else if (request.headers.cookie !== undefined) headers.set('cookie', request.headers.cookie);
  else return null;
  return await sessions.viewerOf(headers, addressOf(request, trustedProxies));
}

/**
 * The address of the client that sends a request, in one spelling: the last one named by the chain of trusted proxies, else
 * the socket's own. Limits count by the `networkOf` it.
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

/** Whether a request is authenticated by nothing but a cookie, which a browser also sends for a foreign page. */
export function restsOnCookie(request: IncomingMessage): boolean {
  return request.headers.authorization === undefined && request.headers.cookie !== undefined;
}
