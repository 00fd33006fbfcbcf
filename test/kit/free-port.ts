import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port on which nothing listens. It is none of those that the system gives to outgoing connections: while nothing listens on
 * such a port, another connection can be given it, and one that is made to it can be connected to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (BEYOND - LOWEST));
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

const LOWEST = 12_000;
const BEYOND = 32_000; // Linux gives those from 32,768 on
