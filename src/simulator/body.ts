import type { IncomingMessage } from 'node:http';

/** Reads a body up to a limit; null when it is larger. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  // Ending the loop early must not destroy the socket: the refusal has to go out on it.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    lengthBytes += chunk.length;
    if (lengthBytes > limitBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
