import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createParser } from 'eventsource-parser';
import { type WebSocket, WebSocketServer } from 'ws';
import { chatRequest } from './run.ts';

/**
 * The least that relays tokens to a WebSocket: reads the provider's events with the parser that Latchkey uses and sends one
 * JSON frame per token. No accounts, no storage, no schema, no way to resume.
 */
const [providerUrl = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('message', (prompt) => relay(socket, String(prompt)));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ type: 'listening', url: `ws://127.0.0.1:${port}` });
});

function relay(socket: WebSocket, prompt: string): void {
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return socket.close();
      const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
      const content = choices[0]?.delta.content;
      if (content) socket.send(JSON.stringify({ type: 'delta', text: content }));
    },
  });
  const headers = { 'content-type': 'application/json' };
  const call = request(`${providerUrl}/chat/completions`, { method: 'POST', agent, headers }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (text: string) => parser.feed(text));
  });
  call.end(chatRequest(prompt));
}
