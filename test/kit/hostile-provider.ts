import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** An OpenAI-compatible server that says whatever a test makes it say, byte by byte. */
export interface HostileProvider extends AsyncDisposable {
  /** To give as `baseUrl` of a CUSTOM key. */
  baseUrl: string;
  /** `127.0.0.1:port`, to be allowed as a private host. */
  host: string;
  /** How often it was asked for an answer. */
  asked: number;
  /** Responds when asked for its models. */
  list: (response: ServerResponse) => unknown;
  /** Responds when asked for an answer. */
  answer: (response: ServerResponse) => unknown;
}

export async function startHostileProvider(): Promise<HostileProvider> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      if (request.method === 'GET') {
        provider.list(response);
        return;
      }
      provider.asked++;
      provider.answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: HostileProvider = {
    baseUrl: `http://${host}/v1`,
    host,
    asked: 0,
    list: (response) => respond(response, 200, listOf([{ id: 'model' }])),
    answer: (response) => respond(response, 500, '{}'),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return provider;
}

/** A list of models as the protocol has it. */
export function listOf(entries: readonly object[]): string {
  return JSON.stringify({ object: 'list', data: entries });
}

/** Sends a whole JSON document. */
export function respond(response: ServerResponse, status: number, body: string, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

/** An event of a stream with this in its only choice, and this beside it. */
export function chunkOf(choice: object, beside: object = {}): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }], ...beside })}\n\n`;
}

/** The event that ends an answer. */
export const END = `${chunkOf({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`;

/** Begins a stream and writes pieces as fast as they are taken. The caller ends it. */
export async function stream(response: ServerResponse, pieces: Iterable<string>): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  await pipeline(Readable.from(pieces), response, { end: false });
}
