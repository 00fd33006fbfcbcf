import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** An OpenAI-compatible server whose every delta the test writes itself. */
export interface ScriptedProvider extends AsyncDisposable {
  /** To give as `baseUrl` of a CUSTOM key. */
  baseUrl: string;
  /** `127.0.0.1:port`, to be allowed as a private host. */
  host: string;
  /** The next question; it is answered by what the test does with it. */
  nextCall(): Promise<ScriptedCall>;
  /** The next connection that is opened, before anything was asked over it. */
  nextConnection(): Promise<Socket>;
  /** Ends all connections. */
  hangUp(): void;
}

export interface ScriptedCall {
  /** What was asked. */
  body: { model: string; messages: { role: string; content: string }[] };
  /** The connection over which it was asked. */
  socket: Socket;
  /** Sends one event with this delta; pieces of characters arrive as such. */
  write(delta: { content?: string; reasoning_content?: string }): void;
  /** Sends an event as it is. */
  event(event: object): void;
  /** Ends the answer properly, with the provider's word for why. */
  finish(reason?: string, usage?: object): void;
  /** Breaks the connection off. */
  cut(): void;
  /** Refuses the question instead of answering it. */
  refuse(status: number, headers?: Record<string, string>, message?: string): void;
}

export async function startScriptedProvider(
  models: readonly string[] = ['scripted'],
): Promise<ScriptedProvider> {
  const calls: ScriptedCall[] = [];
  const waiting: ((call: ScriptedCall) => void)[] = [];
  const server = createServer((request, response) => {
    const body: Buffer[] = [];
    request.on('data', (chunk: Buffer) => body.push(chunk));
    request.once('end', () => {
      if (request.method === 'GET') {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ object: 'list', data: models.map((id) => ({ id, object: 'model' })) }));
        return;
      }
      const call = scriptedCall(JSON.parse(String(Buffer.concat(body))), request.socket, response);
      const taker = waiting.shift();
      if (taker === undefined) calls.push(call);
      else taker(call);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    baseUrl: `http://${host}/v1`,
    host,
    async nextCall() {
      return calls.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
    },
    async nextConnection() {
      const [socket] = await once(server, 'connection');
      return socket;
    },
    hangUp: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function scriptedCall(body: ScriptedCall['body'], socket: Socket, response: ServerResponse): ScriptedCall {
  function event(data: object): void {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', ...data })}\n\n`);
  }
  return {
    body,
    socket,
    event,
    write: (delta) => event({ choices: [{ index: 0, delta, finish_reason: null }] }),
    finish(reason = 'stop', usage) {
      event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] });
      if (usage !== undefined) event({ choices: [], usage });
      response.end('data: [DONE]\n\n');
    },
    cut: () => void response.destroy(),
    refuse(status, headers, message = 'No.') {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify({ error: { message, type: 'refused', code: null } }));
    },
  };
}
