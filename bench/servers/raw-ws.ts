import { Agent, createServer, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import { type WebSocket, WebSocketServer } from 'ws';
import { chatRequest } from '../run.ts';
import { serveParent } from './listen.ts';
import type { RawFrame, RawRequest } from './raw-protocol.ts';

interface Answer {
  text: string;
  watchers: Set<WebSocket>;
}

/**
 * The least that relays tokens to WebSockets: reads the provider's events with the parser that Latchkey uses and sends one
 * JSON frame per token and watcher. No accounts, no storage, no schema.
 */
const [providerUrl = ''] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const answers = new Map<string, Answer>();
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('message', (message) => {
    const asked = JSON.parse(String(message)) as RawRequest;
    if (asked.type === 'watch') return watch(socket, asked.key, asked.offset);
    const [model = '', ...more] = asked.models;
    if (more.length > 0) for (const each of asked.models) ask(socket, asked, each, { model: each });
    else ask(socket, asked, model, {});
  });
  socket.on('error', () => socket.terminate());
});
serveParent(server);

function ask(
  socket: WebSocket,
  { key, prompt, isFollowed }: Extract<RawRequest, { type: 'ask' }>,
  model: string,
  name: { model?: string },
): void {
  const answer: Answer = { text: '', watchers: new Set(isFollowed ? [socket] : []) };
  if (!isFollowed) {
    answers.set(key, answer);
    socket.send(JSON.stringify({ type: 'asked' } satisfies RawFrame));
  }
  const tell = (frame: RawFrame) => {
    const json = JSON.stringify(frame);
    for (const watcher of answer.watchers) watcher.send(json);
  };
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') {
        answers.delete(key);
        return tell({ type: 'end', ...name });
      }
      const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
      const content = choices[0]?.delta.content;
      if (!content) return;
      answer.text += content;
      tell({ type: 'delta', text: content, ...name });
    },
  });
  const headers = { 'content-type': 'application/json' };
  const call = request(`${providerUrl}/chat/completions`, { method: 'POST', agent, headers }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (text: string) => parser.feed(text));
  });
  call.end(chatRequest(JSON.stringify(prompt), model));
}

/** What there is already comes in one frame. */
function watch(socket: WebSocket, key: string, offset: number): void {
  const answer = answers.get(key);
  if (answer === undefined) {
    socket.close();
    return;
  }
  const missing = answer.text.slice(offset);
  if (missing !== '') socket.send(JSON.stringify({ type: 'delta', text: missing } satisfies RawFrame));
  answer.watchers.add(socket);
  socket.once('close', () => answer.watchers.delete(socket));
}
