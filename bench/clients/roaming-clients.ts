import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { inGroups } from '../in-groups.ts';
import { monotonicMs } from '../process/monotonic.ts';
import { MODEL, type Run, tokensOf } from '../run.ts';
import { openAsker } from './asker.ts';
import { ANSWER_EVENTS, type AnswerEvent } from './documents.ts';
import { Reader } from './reader.ts';
import { type LatchkeyTarget, type Person, personOf } from './target.ts';
import { readAnswerEvent } from './thread-follower.ts';

/** Clients of graphql-ws that come back as `docs/frontend.md` recommends, each on a socket of its own. */
export class RoamingClients {
  readonly #target: LatchkeyTarget;
  readonly #clients: RoamingClient[];

  private constructor(target: LatchkeyTarget, clients: RoamingClient[]) {
    this.#target = target;
    this.#clients = clients;
  }

  /** Resolves when all of them are connected. */
  static async open(target: LatchkeyTarget, count: number): Promise<RoamingClients> {
    const numbers = Array.from({ length: count }, (_, number) => number);
    const clients = await inGroups(numbers, OPENED_AT_ONCE, async (number) => {
      const client = new RoamingClient(target.url, personOf(target, number));
      await client.connected;
      return client;
    });
    return new RoamingClients(target, clients);
  }

  /** Asks for the answers of a run at these servers in turns. Resolves when every client has the first token of one. */
  async roam(run: Run, urls: readonly string[]): Promise<void> {
    const streams = Array.from({ length: run.streams }, (_, stream) => stream);
    const answerIds = await inGroups(streams, ASKED_AT_ONCE, async (stream) => {
      const asker = await openAsker(
        { ...this.#target, url: urls[stream % urls.length] ?? '' },
        { prompt: { ...run, stream }, models: [MODEL], follow: 'nothing', readersByModel: new Map() },
      );
      const { answerId } = await asker.ask();
      asker.close();
      return answerId;
    });
    const tokens = streams.map((stream) => tokensOf({ ...run, stream }, MODEL));
    await Promise.all(
      this.#clients.map(async (client, number) => {
        const stream = number % run.streams;
        const own = tokens[stream] ?? [];
        const reader = new Reader(`client ${number}`, MODEL, own, own.join(''));
        client.follow(answerIds[stream] ?? '', reader);
        await reader.first();
      }),
    );
  }

  /** Resolves when every client has the whole text or has failed. */
  async roamed(): Promise<void> {
    await Promise.allSettled(this.#clients.map(({ reader }) => reader?.reach(reader.tokens.length)));
  }

  /** From here on it counts who loses the connection, and for how long nothing comes. Returns the latter for what was before. */
  beginCount(): number[] {
    const silencesMs = this.#clients.map(({ longestSilenceMs }) => longestSilenceMs);
    for (const client of this.#clients) client.beginCount();
    return silencesMs;
  }

  async end(): Promise<Roamed> {
    const ends = await Promise.allSettled(this.#clients.map(({ reader }) => reader?.end()));
    const failures = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
    for (const failure of failures.slice(0, 5)) process.stderr.write(`${failure.slice(0, 300)}\n`);
    const moved = this.#clients.filter(({ backAtMs }) => backAtMs !== undefined);
    const codes: Record<string, number> = {};
    for (const code of this.#clients.flatMap((client) => client.codes)) {
      const name = `closed with ${code}`;
      codes[name] = (codes[name] ?? 0) + 1;
    }
    return {
      wrong: failures.length,
      backAtMs: moved.map(({ backAtMs }) => backAtMs ?? Number.NaN),
      reconnects: this.#clients.reduce((sum, { reconnects }) => sum + reconnects, 0),
      codes,
      silencesMs: this.#clients.map(({ longestSilenceMs }) => longestSilenceMs),
    };
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

export interface Roamed {
  /** How many clients were not given the provider's text, or whose text is not the stored one. */
  wrong: number;
  /** When those who had lost their connection were connected for the last time, on the clock of the machine. */
  backAtMs: number[];
  reconnects: number;
  /** How often sockets were closed with which code. */
  codes: Record<string, number>;
  /** The longest time that no more of a text came that was not whole, by client. */
  silencesMs: number[];
}

const OPENED_AT_ONCE = 20;
const ASKED_AT_ONCE = 10;

class RoamingClient {
  readonly #client: Client;
  readonly connected: Promise<void>;
  reader: Reader | undefined;
  reconnects = 0;
  codes: number[] = [];
  backAtMs: number | undefined;
  longestSilenceMs = 0;
  #heardAtMs = 0;
  #isClosed = false;

  constructor(url: string, { token, address }: Person) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.connected = promise;
    let connections = 0;
    this.#client = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: socketFrom(address),
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: false,
      onNonLazyError: (error) => this.#fail(error),
      retryAttempts: Number.POSITIVE_INFINITY,
      retryWait: (retries) => new Promise((wait) => setTimeout(wait, waitMs(retries))),
      shouldRetry: (problem) => (problem as { code?: number }).code !== 4403,
      on: {
        connected: () => {
          connections += 1;
          resolve();
          if (connections === 1) return;
          this.reconnects += 1;
          this.backAtMs = monotonicMs();
        },
        closed: (event) => {
          if (!this.#isClosed) this.codes.push((event as { code: number }).code);
        },
      },
    });
  }

  follow(answerId: string, reader: Reader): void {
    const { length } = reader.tokens.join('');
    this.reader = reader;
    this.#heardAtMs = monotonicMs();
    // The package makes the message from this each time it subscribes, so it subscribes again with the length there is by then.
    const variables = {
      answerId,
      get offset() {
        return reader.length;
      },
    };
    this.#client.subscribe<{ answerEvents: AnswerEvent }>(
      { query: ANSWER_EVENTS, variables },
      {
        next: ({ data, errors }) => {
          const nowMs = monotonicMs();
          // Between the last token and the end the provider waits for all clients.
          if (reader.length < length)
            this.longestSilenceMs = Math.max(this.longestSilenceMs, nowMs - this.#heardAtMs);
          this.#heardAtMs = nowMs;
          if (data) readAnswerEvent(reader, data.answerEvents);
          else reader.fail(`received ${JSON.stringify(errors)}`);
        },
        error: (error) => this.#fail(error),
        complete: () => {
          if (reader.length < length) reader.fail('was complete too early');
        },
      },
    );
  }

  beginCount(): void {
    this.reconnects = 0;
    this.codes = [];
    this.backAtMs = undefined;
    this.longestSilenceMs = 0;
  }

  close(): void {
    this.#isClosed = true;
    void this.#client.dispose();
  }

  #fail(error: unknown): void {
    const { code, message, reason } = error as { code?: number; message?: string; reason?: string };
    this.reader?.fail(`was closed: ${code ?? ''} ${message ?? reason ?? JSON.stringify(error)}`);
  }
}

/** As in `docs/frontend.md`: up to ten seconds, and not in step with other clients. */
function waitMs(retries: number): number {
  return Math.min(500 * 2 ** retries, 10_000) * (0.5 + Math.random() / 2);
}

/** Sockets that come from an address of this machine. */
function socketFrom(localAddress: string): typeof WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols, { localAddress, perMessageDeflate: false });
    }
  } as typeof WebSocket;
}
