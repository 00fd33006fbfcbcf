import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chunkOf, END, listOf, respond, stream } from './hostile-provider.ts';

/** A provider on both loopback addresses, at one port, that counts who connects: where a forbidden address would lead. */
export interface CanaryServer extends AsyncDisposable {
  port: number;
  /** How many connections were made, whether anything was asked over them or not. */
  connections: number;
}

export async function startCanaryServer(): Promise<CanaryServer> {
  const servers = [newServer(), newServer()] as const;
  const port = await listen(servers[0], '127.0.0.1', 0);
  await listen(servers[1], '::1', port);
  const canary: CanaryServer = {
    port,
    connections: 0,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        servers.map((server) => {
          const closed = new Promise((resolve) => server.close(resolve));
          server.closeAllConnections();
          return closed;
        }),
      );
    },
  };
  for (const server of servers) server.on('connection', () => canary.connections++);
  return canary;
}

function newServer(): Server {
  return createServer((request, response) => {
    request.resume().once('end', async () => {
      if (request.method === 'GET') return respond(response, 200, listOf([{ id: 'model' }]));
      await stream(response, [chunkOf({ delta: { content: 'Let in.' } })]);
      response.end(END);
    });
  });
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}
