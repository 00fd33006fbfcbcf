import { Agent, createServer, request } from 'node:http';
import { serveParent } from './listen.ts';

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
serveParent(server);
