import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long the body of a request may take. */
export interface BodyTimes {
  totalMs: number;
  /** Longest time without a byte. */
  idleMs: number;
}

/**
 * Cuts off requests whose bodies take too long. Node has one deadline for all requests of a server (`requestTimeout`), and a file
 * over a slow line needs another one than an operation.
 */
export class BodyDeadlines {
  readonly #watched = new Map<IncomingMessage, Watched>();
  readonly #timer: NodeJS.Timeout;

  constructor(checkEveryMs: number) {
    this.#timer = setInterval(() => this.#look(), checkEveryMs).unref();
  }

  /** Watches a request until its body is complete. The last times that were given count. */
  watch(request: IncomingMessage, response: ServerResponse, { totalMs, idleMs }: BodyTimes): void {
    const nowMs = performance.now();
    const { socket } = request; // Node takes it from requests that are over
    const { bytesRead } = socket;
    const watched = { response, socket, untilMs: nowMs + totalMs, idleMs, bytesRead, heardAtMs: nowMs };
    this.#watched.set(request, watched);
  }

  /** Ends the watch over a request that was answered. */
  forget(request: IncomingMessage): void {
    this.#watched.delete(request);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [request, watched] of this.#watched) {
      if (request.complete || request.destroyed) this.#watched.delete(request);
      else if (isLate(watched, nowMs)) {
        this.#watched.delete(request);
        cutOff(watched);
      }
    }
  }
}

interface Watched {
  response: ServerResponse;
  socket: Socket;
  untilMs: number;
  idleMs: number;
  /** What the connection had read at the last look, and when it last read something. */
  bytesRead: number;
  heardAtMs: number;
}

function isLate(watched: Watched, nowMs: number): boolean {
  const { bytesRead } = watched.socket;
  if (bytesRead !== watched.bytesRead) watched.heardAtMs = nowMs;
  watched.bytesRead = bytesRead;
  return nowMs > Math.min(watched.untilMs, watched.heardAtMs + watched.idleMs);
}

/** As Node does it: a handler that waits for the body finds the request aborted. */
function cutOff({ response, socket }: Watched): void {
  if (!response.headersSent && socket.writable) socket.write(REQUEST_TIMEOUT);
  socket.destroy();
}

const REQUEST_TIMEOUT = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';
