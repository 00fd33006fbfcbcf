import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { type Beating, Heartbeats } from './heartbeats.ts';
import { formatError, formatResult } from './mask-error.ts';
import { Outbox } from './outbox.ts';
import type { Subscription } from './subscription.ts';

/**
 * The results of a subscription as server-sent events (GraphQL over SSE, distinct connections). Yoga hands its body to the response
 * by `pipe`; from there events are written to the response itself, since a stream in between costs more than all else.
 */
export class EventStreamBody extends Readable implements Beating {
  readonly #subscription: Subscription;
  readonly #response: ServerResponse;

  constructor(subscription: Subscription, response: ServerResponse) {
    super();
    this.#subscription = subscription;
    this.#response = response;
  }

  override pipe<Destination extends NodeJS.WritableStream>(destination: Destination): Destination {
    const response = this.#response;
    const outbox = new Outbox({
      waitingBytes: () => response.writableLength,
      send: (frames) => response.write(frames.length === 1 ? frames[0] : frames.join('')),
      onTaken: (callback) => response.write('', callback),
    });
    this.#subscription.deliverTo(outbox, NEXT, END_OF_EVENT);
    response.write(COMMENT); // some browsers show the response only once it has a first byte
    heartbeats.add(this);
    response.once('close', () => heartbeats.remove(this));
    void this.#send(outbox);
    return destination;
  }

  beat(): void {
    if (this.#response.writableLength === 0) this.#response.write(COMMENT);
  }

  async #send(outbox: Outbox): Promise<void> {
    const write = (result: object) =>
      new Promise<void>((resolve) => {
        outbox.flush();
        // So at most one result waits for a client that does not read.
        this.#response.write(`${NEXT}${JSON.stringify(result)}${END_OF_EVENT}`, () => resolve());
      });
    try {
      for await (const result of this.#subscription) await write(formatResult(result));
    } catch (error) {
      await write({ errors: [formatError(error)] });
    }
    outbox.flush();
    this.#response.end(COMPLETE);
  }
}

const NEXT = 'event: next\ndata: ';
const END_OF_EVENT = '\n\n';
const COMPLETE = 'event: complete\ndata:\n\n';
const COMMENT = ':\n\n';

/** Comments that keep proxies and clients from taking a silent connection for a dead one. */
const heartbeats = new Heartbeats(12_000);
