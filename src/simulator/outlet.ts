import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Reply } from './provider.ts';

/** The sending side of one call. Its promises reject as soon as the client has disconnected. */
export class Outlet {
  readonly #response: ServerResponse;
  readonly #gone: AbortSignal;
  readonly #left: Promise<never>;
  /** Bytes of the stream handed over for sending so far. */
  sentBytes = 0;
  /** True once `cut` was called. */
  wasCut = false;

  constructor(response: ServerResponse) {
    const controller = new AbortController();
    this.#response = response;
    this.#gone = controller.signal;
    this.#left = new Promise((_, reject) => {
      response.once('close', () => {
        controller.abort();
        reject(controller.signal.reason);
      });
    });
    // Most calls never await this, and its rejection would then be unhandled.
    this.#left.catch(() => undefined);
  }

  get hasClientGone(): boolean {
    return this.#gone.aborted;
  }

  /** Sends a whole response. */
  reply(reply: Reply, headers: Record<string, string>): void {
    const isText = typeof reply.body === 'string';
    const body = isText ? String(reply.body) : JSON.stringify(reply.body);
    const contentType = isText ? 'text/plain; charset=utf-8' : 'application/json';
    this.#response.writeHead(reply.status, { 'content-type': contentType, ...headers, ...reply.headers });
    this.#response.end(body);
  }

  openStream(headers: Record<string, string>): void {
    this.#response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' });
    // The headers are sent before the first event, as by a model that thinks for minutes.
    this.#response.flushHeaders();
  }

  /** Sends one chunk, and waits while the client reads slower than we write. */
  async write(chunk: string | Uint8Array): Promise<void> {
    this.#gone.throwIfAborted();
    this.sentBytes += Buffer.byteLength(chunk);
    if (!this.#response.write(chunk)) await once(this.#response, 'drain', { signal: this.#gone });
  }

  /** Waits so many milliseconds; with 0 for one turn of the event loop. */
  async pause(durationMs: number): Promise<void> {
    if (durationMs > 0) await setTimeout(durationMs, undefined, { signal: this.#gone });
    else await setImmediate(undefined, { signal: this.#gone });
  }

  /** Waits for the promise, or until the client has disconnected. */
  async wait(promise: Promise<void>): Promise<void> {
    await Promise.race([promise, this.#left]);
  }

  /** Sends nothing more until the client disconnects. */
  async stall(): Promise<void> {
    await this.wait(new Promise(() => undefined));
  }

  end(): void {
    this.#response.end();
  }

  /** Destroys the socket, so that the client sees its connection reset in mid-answer. */
  cut(): void {
    this.wasCut = true;
    this.#response.destroy();
  }
}
