import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { failureName, log } from '../log.ts';
import type { Bus, BusListener, BusRecord } from './bus.ts';
import type { RedisClient, RedisConnection } from './redis-connection.ts';

/**
 * The bus over PUBLISH and SUBSCRIBE of Redis or Valkey, which keep nothing. A server hears on two channels: one of its own and
 * one for announcements to all. What it sends within a few milliseconds is gathered into one message for each channel. Messages
 * are signed, since their text is shown to people before the database has it.
 */
export class RedisBus implements Bus {
  readonly #publisher: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #prefix: string;
  readonly #key: Uint8Array;
  readonly #listeners: Partial<BusListener>[] = [];
  readonly #outgoing = new Map<string, { records: string[]; length: number }>();
  #announcements = new Map<string, Set<string>>();
  #serverId = '';
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #flushTimer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  readonly #pending = new Set<Promise<void>>();
  #pendingLength = 0;
  readonly #echoTimer: NodeJS.Timeout;
  readonly #silentAfterMs: number;
  readonly #pausedAfterMs: number;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #echoedAtMs = performance.now();
  #listeningSinceMs = performance.now();
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    connections: { publisher: RedisConnection; subscriber: RedisConnection },
    { installationId, authSecret, pulseMs }: { installationId: string; authSecret: string; pulseMs: number },
  ) {
    this.#publisher = connections.publisher;
    this.#subscriber = connections.subscriber;
    this.#prefix = `{lk:${installationId}}:`;
    this.#key = createHash('sha256').update(`latchkey/bus/v1 ${authSecret}`).digest();
    this.#subscriber.onReady((client) => void this.#subscribe(client));
    this.#silentAfterMs = 3 * pulseMs;
    this.#pausedAfterMs = 2 * pulseMs;
    this.#echoTimer = setInterval(() => this.#echo(), pulseMs).unref();
  }

  /** Whether this server hears itself: only that shows that its messages arrive and that it gets those of others. */
  get isUp(): boolean {
    return performance.now() - this.#heardAtMs < this.#silentAfterMs;
  }

  setServerId(serverId: string): void {
    const before = this.#serverId;
    this.#serverId = serverId;
    const { client } = this.#subscriber;
    if (client === null) return;
    if (before !== '') client.unsubscribe(this.#inboxOf(before)).catch(this.#noteFailure);
    void this.#subscribe(client);
  }

  listen(listener: Partial<BusListener>): void {
    this.#listeners.push(listener);
  }

  announce(topic: string, ids: readonly string[]): void {
    const known = this.#announcements.get(topic) ?? new Set();
    for (const id of ids) known.add(id);
    this.#announcements.set(topic, known);
    this.#flushSoon();
  }

  send(serverId: string, record: BusRecord): void {
    this.#add(this.#inboxOf(serverId), JSON.stringify(record));
    this.#flushSoon();
  }

  async close(): Promise<void> {
    clearInterval(this.#echoTimer);
    this.#cancelFlush();
    this.#flush();
    // What was announced last, such as the ends of the answers of this server.
    await Promise.race([Promise.all(this.#pending), sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
    this.#publisher.close();
    this.#subscriber.close();
  }

  #inboxOf(serverId: string): string {
    return `${this.#prefix}in:${serverId}`;
  }

  get #announcementChannel(): string {
    return `${this.#prefix}ch`;
  }

  // Sending.

  #add(channel: string, record: string): void {
    const gathered = this.#outgoing.get(channel) ?? { records: [], length: 0 };
    this.#outgoing.set(channel, gathered);
    gathered.records.push(record);
    gathered.length += record.length;
    if (gathered.length < LONGEST_MESSAGE) return;
    this.#outgoing.delete(channel);
    this.#publish(channel, gathered.records);
  }

  /** At once after a pause, else together with what comes within the same few milliseconds. */
  #flushSoon(): void {
    if (this.#flushTimer !== undefined) return;
    const waitMs = this.#flushedAtMs + GATHER_MS - performance.now();
    const flush = () => {
      this.#flushTimer = undefined;
      this.#flush();
    };
    this.#flushTimer = waitMs > 0 ? setTimeout(flush, waitMs) : setImmediate(flush);
  }

  #cancelFlush(): void {
    clearTimeout(this.#flushTimer as NodeJS.Timeout);
    clearImmediate(this.#flushTimer as NodeJS.Immediate);
    this.#flushTimer = undefined;
  }

  #flush(): void {
    this.#flushedAtMs = performance.now();
    if (this.#announcements.size > 0) {
      const announced = [...this.#announcements].map(([topic, ids]) => [topic, [...ids]]);
      this.#announcements = new Map();
      this.#add(this.#announcementChannel, JSON.stringify(['ch', announced]));
    }
    for (const [channel, { records }] of this.#outgoing) this.#publish(channel, records);
    this.#outgoing.clear();
  }

  /** Drops the message while Redis is away or too slow: a server that misses it asks again or reads the database. */
  #publish(channel: string, records: readonly string[]): void {
    const { client } = this.#publisher;
    if (client === null || this.#pendingLength > MOST_PENDING) return;
    const body = `{"v":${VERSION},"from":${JSON.stringify(this.#serverId)},"r":[${records.join(',')}]}`;
    this.#pendingLength += body.length;
    const sent: Promise<void> = client
      .publish(channel, this.#sign(body) + body)
      .then(() => {}, this.#noteFailure)
      .finally(() => {
        this.#pendingLength -= body.length;
        this.#pending.delete(sent);
      });
    this.#pending.add(sent);
  }

  readonly #noteFailure = (error: unknown): void => this.#publisher.noteFailure(error);

  #sign(body: string): string {
    const signature = createHmac('sha256', this.#key).update(body).digest();
    return signature.subarray(0, SIGNATURE_BYTES).toString('base64url');
  }

  /** A publisher that is busy does not notice that nothing arrives any more, so the server waits for its own messages. */
  #echo(): void {
    const nowMs = performance.now();
    // A process that was paused has heard nothing because of that.
    if (nowMs - this.#echoedAtMs > this.#pausedAfterMs) this.#listeningSinceMs = nowMs;
    this.#echoedAtMs = nowMs;
    const silentMs = nowMs - Math.max(this.#heardAtMs, this.#listeningSinceMs);
    const seemsConnected = this.#publisher.client !== null && this.#subscriber.client !== null;
    if (silentMs > this.#silentAfterMs && seemsConnected) {
      this.#listeningSinceMs = nowMs;
      log.warn('Redis takes messages and delivers none; connecting to it anew');
      this.#publisher.redial();
      this.#subscriber.redial();
    }
    if (this.#serverId !== '') this.#publish(this.#inboxOf(this.#serverId), ['["echo"]']);
  }

  // Hearing.

  async #subscribe(client: RedisClient): Promise<void> {
    if (this.#serverId === '') return;
    try {
      await client.subscribe([this.#inboxOf(this.#serverId), this.#announcementChannel], this.#receive);
      this.#tell('onGap');
    } catch (error) {
      this.#subscriber.noteFailure(error);
    }
  }

  readonly #receive = (message: string): void => {
    const body = message.slice(SIGNATURE_LENGTH);
    const given = Buffer.from(message.slice(0, SIGNATURE_LENGTH));
    const expected = Buffer.from(this.#sign(body));
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      this.#noteForgery();
      return;
    }
    const { v, from, r } = JSON.parse(body) as { v: number; from: string; r: Received[] };
    if (v !== VERSION) return;
    for (const record of r) this.#take(from, record);
  };

  #take(from: string, record: Received): void {
    if (record[0] === 'echo') {
      const wasUp = this.isUp;
      this.#heardAtMs = performance.now();
      if (!wasUp) this.#tell('onGap');
    } else if (record[0] === 'ch') {
      if (from === this.#serverId) return;
      for (const [topic, ids] of record[1]) this.#tell('onAnnounced', topic, ids);
    } else this.#tell('onRecord', from, record);
  }

  /** Calls all listeners. A fault in one must not end the connection. */
  #tell<Name extends keyof BusListener>(name: Name, ...given: Parameters<BusListener[Name]>): void {
    for (const listener of this.#listeners)
      try {
        (listener[name] as ((...given: Parameters<BusListener[Name]>) => void) | undefined)?.(...given);
      } catch (error) {
        log.error({ failure: failureName(error) }, 'a message of another server could not be handled');
      }
  }

  #noteForgery(): void {
    if (performance.now() < this.#refusedAtMs + LOG_EVERY_MS) return;
    this.#refusedAtMs = performance.now();
    log.warn(
      'a message on the channel of this server was not signed with LATCHKEY_AUTH_SECRET, and was ignored',
    );
  }
}

/** A record as it arrives. Two kinds are the bus's own. */
type Received = BusRecord | ['echo'] | ['ch', [topic: string, ids: string[]][]];

const VERSION = 1; // a message of another version is ignored
const GATHER_MS = 16; // a frame of a screen
const LONGEST_MESSAGE = 65_536; // UTF-16 code units
const MOST_PENDING = 8 * 1024 * 1024; // UTF-16 code units
const CLOSE_TIMEOUT_MS = 250;
const LOG_EVERY_MS = 60_000;
const SIGNATURE_BYTES = 16;
const SIGNATURE_LENGTH = 22; // of 16 bytes in base64url
