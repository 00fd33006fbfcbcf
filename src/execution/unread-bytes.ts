import type { Socket } from 'node:net';
import type { GraphQLError } from 'graphql';
import { log } from '../log.ts';
import { rateLimited } from './person-limits.ts';

/** Limits of bytes that wait in memory for clients to read them. */
export interface UnreadNumbers {
  /** For one person, over all connections. */
  perPerson: number;
  /** For the whole server. */
  perServer: number;
  /** How long a connection may read nothing while bytes wait. */
  timeoutMs: number;
}

/** A connection whose unread bytes are counted. */
export interface Reader {
  socket: Socket;
  waitingBytes(): number;
  /** Ends the connection at once, and frees the waiting bytes. */
  cut(): void;
}

/**
 * Limits bytes that wait to be read. A person over the limit is sent nothing more. A connection that reads nothing for a while is
 * cut, and so are those that have waited longest when the person or the whole server is over the limit.
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
    const entry: Entry = { reader, reserved: 0, waiting: 0, queued: 0, sinceMs: performance.now() };
    let subject: string | undefined;
    this.#entries.add(entry);
    return {
      belongsTo: (person) => {
        subject = person;
        if (this.#entries.has(entry))
          this.#people.set(person, (this.#people.get(person) ?? new Set()).add(entry));
      },
      reserve: (bytes) => {
        entry.reserved += bytes;
        if (subject !== undefined && this.#waitingFor(subject) > this.#numbers.perPerson)
          throw tooMuchWaits();
      },
      release: (bytes) => {
        entry.reserved -= bytes;
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
   * Throws RATE_LIMITED if another long response would exceed the person's limit. Refusing it only after the database read would
   * delay all other people.
   */
  requireRoom(subject: string): void {
    if (!this.#hasRoom(subject)) throw tooMuchWaits();
  }

  /** Resolves when the person is under the limit: by reading, or because a connection was cut. */
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

/** The count of one connection. */
export interface Place {
  /** Counts the connection for this person. */
  belongsTo(subject: string): void;
  /** Counts bytes that an operation has read and not yet written to the connection. Throws RATE_LIMITED. */
  reserve(bytes: number): void;
  release(bytes: number): void;
  close(): void;
}

interface Entry {
  reader: Reader;
  reserved: number;
  /** Bytes at the last check. */
  waiting: number;
  queued: number;
  /** Since when none of the waiting bytes were read. */
  sinceMs: number;
}

/** Bytes read for an operation are later those that wait on the connection, so they are not added up. */
function waitingFor({ reader, reserved }: Entry): number {
  return Math.max(reserved, reader.waitingBytes());
}

function update(entry: Entry, nowMs: number): void {
  const waiting = entry.reader.waitingBytes();
  const queued = queuedBytes(entry.reader.socket);
  if (waiting === 0 || waiting < entry.waiting || queued !== entry.queued) entry.sinceMs = nowMs;
  entry.waiting = waiting;
  entry.queued = queued;
}

/** Bytes of the pending write that the kernel has not taken yet. No public property shows the progress of a long write. */
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
