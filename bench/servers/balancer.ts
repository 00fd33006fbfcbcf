import type { Server } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { answerCalls } from '../process/calls.ts';
import { listen } from './listen.ts';

/**
 * One address in front of several servers, as a load balancer is. It passes bytes on, gives each new connection to the next server
 * that says it is ready, and leaves connections where they are.
 */
const server = createServer((client) => {
  const url = nextReady();
  if (url === undefined) client.destroy();
  else join(client, url);
});
const url = listen(server as unknown as Server);
let servers: { url: string; isReady: boolean; silences: number }[] = [];
let turn = 0;

const calls = {
  url: (_: object) => url,
  /** Resolves once each of them was asked whether it is ready. */
  async setServers({ urls }: { urls: string[] }) {
    servers = urls.map((each) => ({ url: each, isReady: false, silences: 0 }));
    await checkAll();
  },
};
export type BalancerCalls = typeof calls;
answerCalls(calls);
setInterval(() => void checkAll(), 1_000); // as often as load balancers do that are quick

function nextReady(): string | undefined {
  const ready = servers.filter(({ isReady }) => isReady);
  turn += 1;
  return ready[turn % ready.length]?.url;
}

/** A connection goes on from the address it comes from, since Latchkey limits what one address may do. */
function join(client: Socket, to: string): void {
  const { hostname, port } = new URL(to);
  const upstream = connect({
    host: hostname,
    port: Number(port),
    noDelay: true,
    ...(client.remoteAddress !== undefined && { localAddress: client.remoteAddress }),
  });
  client.setNoDelay(true);
  client.pipe(upstream).pipe(client);
  client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
}

/** Leaves a server out that says it is not ready, at once, and one that says nothing, after a few checks. */
async function checkAll(): Promise<void> {
  await Promise.all(
    servers.map(async (each) => {
      try {
        const response = await fetch(`${each.url}/health/ready`, {
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        await response.body?.cancel();
        each.isReady = response.ok;
        each.silences = 0;
      } catch {
        each.silences += 1;
        if (each.silences >= MOST_SILENCES) each.isReady = false;
      }
    }),
  );
}

const PATIENCE_MS = 900;
const MOST_SILENCES = 3;
