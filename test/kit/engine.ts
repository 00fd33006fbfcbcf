import { MessageChannel } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import type { EmbeddedEngine } from '../../src/db/embedded-engine.ts';
import { EmbeddedSession } from '../../src/db/embedded-session.ts';

/** An embedded engine on the thread of the test, which can look into it and decide how much room its disk has. */
export function engineOf(
  client: PGlite,
  freeBytes: () => number = () => Number.POSITIVE_INFINITY,
): EmbeddedEngine {
  const { port1: port, port2 } = new MessageChannel();
  const ended = new EmbeddedSession(client, freeBytes, () => {}).serve(port2);
  return {
    ...{ port, ended },
    async kill() {
      if (!client.closed) await client.close();
    },
  };
}
