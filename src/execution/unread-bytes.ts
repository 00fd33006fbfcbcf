import type { Socket } from 'node:net';
import type { GraphQLError } from 'graphql';
import { log } from '../log.ts';
import { rateLimited } from './person-limits.ts';

/** How much may wait in memory until clients read it. */
export interface UnreadNumbers {
  /** For one person, over all connections. */
  perPerson: number;
  /** For the whole server. */
  perServer: number;
  /** How long a connection may take nothing of what waits for it. */
  timeoutMs: number;
}

/** One connection, as far as it matters what waits for its client. */
export interface Reader {
  socket: Socket;
  waitingBytes(): number;
  /** Ends the connection at once, and lets go of what waits. */
  cut(): void;
}

/**
 * Limits what waits to be read. Who has too much waiting is given nothing more. A connection is cut that takes nothing for a
 * while, and so are those that have waited longest when their person or the whole server holds too much.
 */
export class UnreadBytes {
  readonly #numbers: UnreadNumbers;
  readonly #entries = new Set<Entry>();
  readonly #people = new Map<string, Set<Entry>>();
  #parked: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(numbers: UnreadNumbers) {
    this.#numbers = numbers;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Counts a connection, or a response on one, until it is closed. */
  open(reader: Reader): Place {
    const entry: Entry = { reader, held: 0, waiting: 0, queued: 0, sinceMs: performance.now() };
    let subject: string | undefined;
    this.#entries.add(entry);
    return {
      belongsTo: (person) => {
        subject = person;
        if (this.#entries.has(entry))
          this.#people.set(person, (this.#people.get(person) ?? new Set()).add(entry));
      },
      hold: (bytes) => {
        entry.held += bytes;
        if (subject !== undefined && this.#waitingFor(subject) > this.#numbers.perPerson)
          throw tooMuchWaits();
      },
      release: (bytes) => {
        entry.held -= bytes;
      },
      close: () => {
        this.#entries.delete(entry);
        const entries = subject === undefined ? undefined : this.#people.get(subject);
        if (subject !== undefined && entries?.delete(entry) && entries.size === 0)
          this.#people.delete(subject);
      },
    };
  }

  /**
   * Throws RATE_LIMITED if the person has so much waiting that another long response would not fit. Reading it from the
   * database first, to refuse it then, would hold up everybody else.
   */
  requireRoom(subject: string): void {
    if (!this.#hasRoom(subject)) throw tooMuchWaits();
  }

  /** Resolves when the person has room: by reading, or when a connection of theirs was cut. */
  async room(subject: string): Promise<void> {
    while (!this.#hasRoom(subject)) await new Promise<void>((resolve) => this.#parked.push(resolve));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #hasRoom(subject: string): boolean {
    return this.#waitingFor(subject) <= this.#numbers.perPerson / 2;
  }

  #waitingFor(subject: string): number {
    let bytes = 0;
    for (const entry of this.#people.get(subject) ?? []) bytes += waitingFor(entry);
    return bytes;
  }

  #look(): void {
    const nowMs = performance.now();
    for (const entry of this.#entries) {
      update(entry, nowMs);
      if (nowMs - entry.sinceMs > this.#numbers.timeoutMs) cut(entry, 'timeout');
    }
    for (const entries of this.#people.values()) cutDownTo(this.#numbers.perPerson, entries, 'person');
    cutDownTo(this.#numbers.perServer, this.#entries, 'server');
    const parked = this.#parked;
    this.#parked = [];
    for (const wake of parked) wake();
  }
}

/** A connection's place in the count. */
export interface Place {
  /** Counts it as one of this person's. */
  belongsTo(subject: string): void;
  /** Counts what an operation has read and not yet handed to the connection. Throws RATE_LIMITED. */
  hold(bytes: number): void;
  release(bytes: number): void;
  close(): void;
}

interface Entry {
  reader: Reader;
  held: number;
  /** At the last look. */
  waiting: number;
  queued: number;
  /** Since when nothing was taken of what waits. */
  sinceMs: number;
}

/** What was read for an operation becomes what waits on the connection: the same bytes, not twice as many. */
function waitingFor({ reader, held }: Entry): number {
  return Math.max(held, reader.waitingBytes());
}

function update(entry: Entry, nowMs: number): void {
  const waiting = entry.reader.waitingBytes();
  const queued = queuedBytes(entry.reader.socket);
  if (waiting === 0 || waiting < entry.waiting || queued !== entry.queued) entry.sinceMs = nowMs;
  entry.waiting = waiting;
  entry.queued = queued;
}

/** What the kernel has not taken yet of the write under way. Of a long one nothing public says that it is getting shorter. */
function queuedBytes(socket: Socket): number {
  const handle: { writeQueueSize?: number } | null | undefined = Reflect.get(socket, '_handle');
  return handle?.writeQueueSize ?? 0;
}

function cutDownTo(most: number, entries: ReadonlySet<Entry>, whose: 'person' | 'server'): void {
  let total = 0;
  for (const { waiting } of entries) total += waiting;
  if (total <= most) return;
  const waiting = [...entries].filter((entry) => entry.waiting > 0);
  for (const entry of waiting.sort((a, b) => a.sinceMs - b.sinceMs)) {
    if (total <= most) return;
    total -= entry.waiting;
    cut(entry, whose);
  }
}

function cut(entry: Entry, reason: 'timeout' | 'person' | 'server'): void {
  log.warn({ reason, waitingBytes: entry.waiting }, 'a connection that is not read was cut');
  entry.waiting = 0;
  entry.reader.cut();
}

function tooMuchWaits(): GraphQLError {
  return rateLimited(
    'Too much of what you asked for earlier waits to be read. Read it or close its connections, then try again.',
    RETRY_AFTER_MS,
  );
}

const RETRY_AFTER_MS = 5_000;
const LOOK_MS = 1_000;
