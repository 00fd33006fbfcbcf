import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/**
 * An OpenAI-compatible server that writes at a steady pace, for tests of what goes wrong elsewhere: it never ends an answer
 * by itself, except to a question that begins with `Briefly`.
 */
export interface TickingProvider extends AsyncDisposable {
  /** To give as `baseUrl` of a CUSTOM key. */
  baseUrl: string;
  /** `127.0.0.1:port`, to be allowed as a private host. */
  host: string;
  /** What a model wrote to the question of this text; undefined if it was not asked. */
  asked(question: string, model?: string): TickingAnswer | undefined;
  /** Writes the end of a model's answer to this question. */
  finish(question: string, model?: string): void;
}

export interface TickingAnswer {
  /** What it has written so far. */
  text: string;
  /** The conversation it was asked with, the question included. */
  turns: { role: string; content: string }[];
  /** Whether its connection has ended, by either side. */
  isClosed: boolean;
}

export async function startTickingProvider(
  paceMs = 20,
  models: readonly [string, ...string[]] = ['ticking'],
): Promise<TickingProvider> {
  const answers = new Map<string, TickingAnswer & { response: ServerResponse }>();
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }));
      return;
    }
    const { model, messages: turns } = (await json(request)) as {
      model: string;
      messages: TickingAnswer['turns'];
    };
    // The text before it says that the answer above is only a part.
    const question = turns.at(-1)?.content.split('\n\n').at(-1) ?? '';
    const answer = { text: '', turns, response, isClosed: false };
    answers.set(`${model} ${question}`, answer);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    tick(answer);
    if (question.startsWith('Briefly')) return end(response);
    const timer = setInterval(() => tick(answer), paceMs);
    response.once('close', () => {
      clearInterval(timer);
      answer.isClosed = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    baseUrl: `http://${host}/v1`,
    host,
    asked: (question, model = models[0]) => answers.get(`${model} ${question}`),
    finish(question, model = models[0]) {
      const answer = answers.get(`${model} ${question}`);
      if (answer !== undefined) end(answer.response);
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Every word contains its index, and takes more bytes than characters. */
function tick(answer: TickingAnswer & { response: ServerResponse }): void {
  if (answer.response.writableEnded) return;
  const word = `${answer.text.length}🚀 `;
  answer.text += word;
  event(answer.response, { delta: { content: word }, finish_reason: null });
}

function end(response: ServerResponse): void {
  event(response, { delta: {}, finish_reason: 'stop' });
  response.end('data: [DONE]\n\n');
}

function event(response: ServerResponse, choice: object): void {
  response.write(
    `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }] })}\n\n`,
  );
}
