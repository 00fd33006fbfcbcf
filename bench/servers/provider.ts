import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { answerCalls } from '../process/calls.ts';
import { monotonicMs } from '../process/monotonic.ts';
import { MODELS, type Prompt, tokensOf } from '../run.ts';
import { listen } from './listen.ts';

/**
 * A provider of OpenAI's chat protocol that costs little. It sends the first token of a stream at once and waits: the rest
 * flows when the parent process says so, and so does the end, so that what is measured is streaming and nothing else.
 */
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  void serve(request, response);
});
const url = listen(server);

const calls = {
  url: (_: object) => url,
  /** Begins to send, up to so many tokens of each stream. */
  flow: ({ run, upTo }: { run: string; upTo?: number }) => flow(streamsByRun.get(run) ?? [], upTo),
  /** Moments at which each piece after the first was sent, of the stream of this number. */
  sentAtMs: ({ run }: { run: string }) =>
    (streamsByRun.get(run) ?? [])
      .toSorted((left, right) => left.prompt.stream - right.prompt.stream)
      .map(({ sentAtMs }) => sentAtMs),
  /** Ends all streams of a run. */
  finish: ({ run }: { run: string }) => finish(run),
  /** Ends all streams that there are. */
  finishAll(_: object) {
    for (const run of streamsByRun.keys()) finish(run);
  },
};
export type ProviderCalls = typeof calls;
answerCalls(calls);

interface Stream {
  response: ServerResponse;
  model: string;
  prompt: Prompt;
  /** All that is sent after the first token, one piece each. */
  chunks: Buffer[];
  next: number;
  /** Number of chunks that may be sent for now. */
  released: number;
  dueAtMs: number;
  sentAtMs: number[];
}

const streamsByRun = new Map<string, Stream[]>();

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ object: 'list', data: MODELS.map((id) => ({ id, object: 'model', created: 0 })) }),
    );
    return;
  }
  const { messages, model } = JSON.parse(await text(request)) as ChatRequest;
  const content = messages.at(-1)?.content ?? '';
  const prompt = JSON.parse(typeof content === 'string' ? content : (content[0]?.text ?? '')) as Prompt;
  const [first = '', ...rest] = tokensOf(prompt, model).map((token) => eventOf(model, { content: token }));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const head = eventOf(model, { role: 'assistant', content: '' }) + first;
  if (prompt.isSentAtOnce) {
    response.end(head + rest.join('') + endOf(model));
    return;
  }
  const chunks: Buffer[] = [];
  for (let index = 0; index < rest.length; index += prompt.eventsPerChunk)
    chunks.push(Buffer.from(rest.slice(index, index + prompt.eventsPerChunk).join('')));
  const streams = streamsByRun.get(prompt.id) ?? [];
  streamsByRun.set(prompt.id, streams);
  streams.push({ response, model, prompt, chunks, next: 0, released: 0, dueAtMs: 0, sentAtMs: [] });
  response.write(head);
}

interface ChatRequest {
  model: string;
  messages: { content: string | { text: string }[] }[];
}

function flow(streams: Stream[], upTo = Number.POSITIVE_INFINITY): void {
  const paceMs = streams[0]?.prompt.paceMs ?? 0;
  const startMs = performance.now();
  streams.forEach((stream, index) => {
    stream.released = Math.ceil((upTo - 1) / stream.prompt.eventsPerChunk);
    stream.dueAtMs = startMs + (paceMs * index) / streams.length;
  });
  if (paceMs === 0) {
    for (const stream of streams) pour(stream);
    return;
  }
  const timer = setInterval(() => {
    if (!sendDue(streams, paceMs)) clearInterval(timer);
  }, 1);
}

function finish(run: string): void {
  for (const { response, model } of streamsByRun.get(run) ?? []) response.end(endOf(model));
  streamsByRun.delete(run);
}

/** Sends one token of every stream whose time has come; false once there is nothing left. */
function sendDue(streams: Stream[], paceMs: number): boolean {
  const nowMs = performance.now();
  let isMore = false;
  for (const stream of streams) {
    const chunk = nextOf(stream);
    if (chunk === undefined) continue;
    isMore = true;
    if (stream.dueAtMs > nowMs) continue;
    // A token that is late does not make the next one early: two would arrive as one piece.
    stream.dueAtMs = Math.max(stream.dueAtMs, nowMs - paceMs / 2) + paceMs;
    send(stream, chunk);
  }
  return isMore;
}

/** Sends piece by piece, in turns with the other streams, as fast as they are taken. */
function pour(stream: Stream): void {
  const chunk = nextOf(stream);
  if (chunk === undefined) return;
  if (send(stream, chunk)) setImmediate(pour, stream);
  else stream.response.once('drain', () => pour(stream));
}

function nextOf({ chunks, next, released }: Stream): Buffer | undefined {
  return next < released ? chunks[next] : undefined;
}

function send(stream: Stream, chunk: Buffer): boolean {
  stream.next += 1;
  stream.sentAtMs.push(monotonicMs());
  return stream.response.write(chunk);
}

/** An event as large as OpenAI's own. */
function eventOf(model: string, delta: object, finishReason: 'stop' | null = null): string {
  const choices = [{ index: 0, delta, logprobs: null, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ ...ENVELOPE, model, choices })}\n\n`;
}

const ENVELOPE = {
  id: 'chatcmpl-DfK3vYk0pN1mQ2rS4tU6wX8zA0bC2',
  object: 'chat.completion.chunk',
  created: 1_795_000_000,
  service_tier: 'default',
  system_fingerprint: 'fp_3b8e5d1f7a',
};

function endOf(model: string): string {
  return `${eventOf(model, {}, 'stop')}data: [DONE]\n\n`;
}
