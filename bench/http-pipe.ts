import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The floor: passes the provider's bytes on over HTTP and understands none of them. */
const [providerUrl = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  const headers = { 'content-type': 'application/json' };
  const call = request(`${providerUrl}/chat/completions`, { method: 'POST', agent, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, { 'content-type': 'text/event-stream' });
    response.pipe(outgoing);
  });
  incoming.pipe(call);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ type: 'listening', url: `http://127.0.0.1:${port}` });
});
