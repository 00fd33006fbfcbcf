import { delivery, type Woken } from './delivery.ts';

/** A connection that deltas are written to. */
export interface Connection {
  /** Bytes that were written and that the network has not taken yet. */
  waitingBytes(): number;
  /** Writes frames, all at once. */
  send(frames: readonly string[]): void;
  /** Calls back once everything written before was taken; never, if the connection is closed by then. */
  onTaken(callback: () => void): void;
}

/**
 * Gathers the frames of one connection in a pass and writes them together. Takes none while earlier bytes wait: a subscription
 * that has to wait keeps only its place, and sends a longer delta later.
 */
export class Outbox {
  readonly #connection: Connection;
  #frames: string[] = [];
  #length = 0;
  #waiting: Set<Woken> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Whether a frame may be written now. If not, the subscription is woken when it may. */
  hasRoom(subscription: Woken): boolean {
    if (this.#length > MOST_GATHERED) this.flush();
    if (this.#waiting === undefined && this.#connection.waitingBytes() === 0) return true;
    if (this.#waiting === undefined) {
      this.#waiting = new Set();
      this.#connection.onTaken(() => this.#wakeWaiting());
    }
    this.#waiting.add(subscription);
    return false;
  }

  /** Writes a frame at the end of the pass. */
  write(frame: string): void {
    if (this.#frames.length === 0) delivery.flushAfterwards(this);
    this.#frames.push(frame);
    this.#length += frame.length;
  }

  /** Writes the gathered frames now, e.g. because another message has to follow them. */
  flush(): void {
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#length = 0;
    this.#connection.send(frames);
  }

  #wakeWaiting(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const subscription of waiting) delivery.wake(subscription);
  }
}

const MOST_GATHERED = 64 * 1024; // UTF-16 code units of frames; as much as one write to a socket takes well
