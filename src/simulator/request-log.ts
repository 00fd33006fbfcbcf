import type { IncomingHttpHeaders } from 'node:http';
import type { SimulatorProviderName } from './provider.ts';

/** A call as the simulated provider received it. */
export interface SimulatorRequest {
  provider: SimulatorProviderName;
  method: string;
  /** Path and query as they came, e.g. `/gemini/v1beta/models?pageSize=1000`. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** Bytes of the streamed answer that were written to the socket; stops growing while the client does not read. */
  readonly sentBytes: number;
  /** How the call ended; null while it is under way. */
  ending: CallEnding | null;
  /** Resolves when the call has ended: with `left` as soon as the client's socket is closed. */
  closed: Promise<CallEnding>;
  /** Lets a held answer go on by so many steps, all the rest without a number. A step is a token, or the ending. */
  release(steps?: number): void;
}

/** `finished`: the response was sent whole. `left`: the client closed its socket first. `cut`: the simulator did. */
export type CallEnding = 'finished' | 'left' | 'cut';

const MAX_REQUESTS = 1_000;
const MAX_BODY_CHARACTERS = 256 * 1024 * 1024; // eight questions with a file of 20 MiB

/** The newest calls, oldest first, and the promises that wait for one. Limited in number and in the size of all bodies. */
export class RequestLog {
  readonly requests: SimulatorRequest[] = [];
  readonly #waiters = new Set<Waiter>();
  #bodyCharacters = 0;

  add(request: SimulatorRequest): void {
    this.requests.push(request);
    this.#bodyCharacters += request.body.length;
    while (this.requests.length > MAX_REQUESTS || this.#bodyCharacters > MAX_BODY_CHARACTERS) {
      this.#bodyCharacters -= this.requests.shift()?.body.length ?? 0;
    }
    for (const waiter of this.#waiters) {
      if (!waiter.matches(request)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(request);
    }
  }

  /** The newest matching call that was received, else the next one to come. Rejects when the simulator closes. */
  wait(matches: (request: SimulatorRequest) => boolean): Promise<SimulatorRequest> {
    const received = this.requests.findLast(matches);
    if (received) return Promise.resolve(received);
    const { promise, resolve, reject } = Promise.withResolvers<SimulatorRequest>();
    this.#waiters.add({ matches, resolve, reject });
    return promise;
  }

  close(): void {
    for (const waiter of this.#waiters)
      waiter.reject(new Error('The simulator closed before such a request came.'));
    this.#waiters.clear();
  }
}

interface Waiter {
  matches(request: SimulatorRequest): boolean;
  resolve(request: SimulatorRequest): void;
  reject(error: Error): void;
}
