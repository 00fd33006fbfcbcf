import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { MODEL, type Prompt, tokensOf } from './run.ts';

/**
 * A provider of OpenAI's chat protocol that costs little. It sends the first token of a stream at once and waits: the rest
 * flows when the parent process says so, and so does the end, so that what is measured is streaming and nothing else.
 */
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  void serve(request, response);
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'listening', port: (server.address() as AddressInfo).port });
});

process.on('message', (message: { type: 'flow' | 'finish'; run: string }) => {
  const streams = streamsByRun.get(message.run) ?? [];
  if (message.type === 'flow') flow(streams);
  else for (const { response } of streams) response.end(END);
  if (message.type === 'finish') streamsByRun.delete(message.run);
});

interface Stream {
  response: ServerResponse;
  prompt: Prompt;
  /** What is still to be sent, one piece each. */
  chunks: Buffer[];
  next: number;
  dueAtMs: number;
}

const streamsByRun = new Map<string, Stream[]>();

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model' }] }));
    return;
  }
  const { messages } = JSON.parse(await text(request)) as { messages: { content: string }[] };
  const prompt = JSON.parse(messages.at(-1)?.content ?? '') as Prompt;
  const [first = '', ...rest] = tokensOf(prompt).map((token) => eventOf({ content: token }));
  const chunks: Buffer[] = [];
  for (let index = 0; index < rest.length; index += prompt.eventsPerChunk)
    chunks.push(Buffer.from(rest.slice(index, index + prompt.eventsPerChunk).join('')));
  const streams = streamsByRun.get(prompt.id) ?? [];
  streamsByRun.set(prompt.id, streams);
  streams.push({ response, prompt, chunks, next: 0, dueAtMs: 0 });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(eventOf({ role: 'assistant', content: '' }) + first);
}

function flow(streams: Stream[]): void {
  const paceMs = streams[0]?.prompt.paceMs ?? 0;
  if (paceMs === 0) {
    for (const stream of streams) pour(stream);
    return;
  }
  const startMs = performance.now();
  streams.forEach((stream, index) => {
    stream.dueAtMs = startMs + (paceMs * index) / streams.length;
  });
  const timer = setInterval(() => {
    if (!sendDue(streams, paceMs)) clearInterval(timer);
  }, 1);
}

/** Sends one token of every stream whose time has come; false once there is nothing left. */
function sendDue(streams: Stream[], paceMs: number): boolean {
  const nowMs = performance.now();
  let isMore = false;
  for (const stream of streams) {
    const chunk = stream.chunks[stream.next];
    if (chunk === undefined) continue;
    isMore = true;
    if (stream.dueAtMs > nowMs) continue;
    stream.next += 1;
    // A token that is late does not make the next one early: two would arrive as one piece.
    stream.dueAtMs = Math.max(stream.dueAtMs, nowMs - paceMs / 2) + paceMs;
    stream.response.write(chunk);
  }
  return isMore;
}

/** Sends piece by piece, in turns with the other streams, as fast as they are taken. */
function pour(stream: Stream): void {
  const chunk = stream.chunks[stream.next];
  if (chunk === undefined) return;
  stream.next += 1;
  if (stream.response.write(chunk)) setImmediate(pour, stream);
  else stream.response.once('drain', () => pour(stream));
}

/** As large as OpenAI's own. */
function eventOf(delta: object): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: null }];
  return `data: ${JSON.stringify({ ...ENVELOPE, choices })}\n\n`;
}

const ENVELOPE = {
  id: 'chatcmpl-DfK3vYk0pN1mQ2rS4tU6wX8zA0bC2',
  object: 'chat.completion.chunk',
  created: 1_795_000_000,
  model: MODEL,
  service_tier: 'default',
  system_fingerprint: 'fp_3b8e5d1f7a',
};

const END = `data: ${JSON.stringify({
  ...ENVELOPE,
  choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
})}\n\ndata: [DONE]\n\n`;
