import type { Bus, BusRecord, Place } from '../bus/bus.ts';
import type { FleetTimes } from '../fleet/times.ts';
import type { AnswerCursor, AnswerPart, Retrying } from './followed-answer.ts';
import type { LiveAnswer } from './live-answer.ts';
import type { RunningAnswers } from './running.ts';

/**
 * Sends the answers of this server to the servers where people follow them. A server is a reader like any other, with two limits:
 * it is sent long texts in pieces, and only so much that it has not acknowledged yet. Sent at once, a long text would fill the
 * output buffer of Redis, which then ends the connection, after which the text would be sent again.
 */
export class RemoteFollowers {
  readonly #bus: Bus;
  readonly #running: RunningAnswers;
  readonly #servers = new Map<string, RemoteServer>();
  readonly #forgetAfterMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(
    { bus, running }: { bus: Bus; running: RunningAnswers },
    { pulseMs }: Pick<FleetTimes, 'pulseMs'>,
  ) {
    this.#bus = bus;
    this.#running = running;
    bus.listen({ onRecord: (from, record) => this.#take(from, record) });
    this.#forgetAfterMs = 10 * pulseMs;
    this.#timer = setInterval(() => this.#beat(), pulseMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const serverId of this.#servers.keys()) this.#forget(serverId);
  }

  #take(from: string, record: BusRecord): void {
    switch (record[0]) {
      case 'follow':
        this.#follow(from, record[1], { TEXT: record[2], REASONING: record[3] });
        break;
      case 'ack':
        this.#acknowledge(from, record[1]);
        break;
      case 'leave':
        this.#leave(from, record[1]);
        break;
      default:
    }
  }

  #follow(serverId: string, answerId: string, offsets: Offsets): void {
    const live = this.#running.get(answerId);
    if (live === undefined) {
      this.#bus.send(serverId, ['ended', answerId]);
      return;
    }
    this.#leave(serverId, answerId);
    const server = this.#servers.get(serverId) ?? { seenAtMs: 0, following: new Map() };
    this.#servers.set(serverId, server);
    server.seenAtMs = performance.now();
    const cursor = live.read({ text: offsets.TEXT, reasoning: offsets.REASONING }, () =>
      this.#push(serverId, following),
    );
    const following: Following = {
      live,
      cursor,
      sent: { ...offsets },
      acked: { ...offsets },
      sentAttempt: 0,
    };
    server.following.set(answerId, following);
    this.#push(serverId, following);
  }

  #acknowledge(serverId: string, places: readonly Place[]): void {
    const server = this.#servers.get(serverId);
    if (server === undefined) return;
    server.seenAtMs = performance.now();
    for (const [answerId, text, reasoning] of places) {
      const following = server.following.get(answerId);
      if (following === undefined) continue;
      following.acked = { TEXT: text, REASONING: reasoning };
      this.#push(serverId, following);
    }
  }

  #leave(serverId: string, answerId: string): void {
    const server = this.#servers.get(serverId);
    server?.following.get(answerId)?.cursor.close();
    server?.following.delete(answerId);
  }

  #forget(serverId: string): void {
    for (const { cursor } of this.#servers.get(serverId)?.following.values() ?? []) cursor.close();
    this.#servers.delete(serverId);
  }

  /** Sends what the server does not have yet, as far as the window allows. */
  #push(serverId: string, following: Following): void {
    const { live, sent, acked } = following;
    const { retrying } = live;
    if (retrying !== undefined && retrying.attempt > following.sentAttempt) {
      following.sentAttempt = retrying.attempt;
      this.#bus.send(serverId, recordOf(retrying));
    }
    for (const part of ['REASONING', 'TEXT'] as const)
      while (sent[part] < live.lengthOf(part) && sent[part] - acked[part] < WINDOW) {
        const text = live.slice(part, sent[part], LONGEST_PIECE);
        this.#bus.send(serverId, ['frame', live.id, part === 'TEXT' ? 'T' : 'R', sent[part], text]);
        sent[part] += text.length;
      }
    if (!live.hasEnded) return;
    this.#bus.send(serverId, ['ended', live.id]);
    this.#leave(serverId, live.id);
  }

  /** By its beat a server learns that the last piece was lost; by its silence, that it is unreachable. */
  #beat(): void {
    for (const [serverId, { seenAtMs, following }] of this.#servers) {
      if (performance.now() - seenAtMs > this.#forgetAfterMs) {
        this.#forget(serverId);
        continue;
      }
      if (following.size === 0) continue;
      const places: Place[] = [];
      for (const { live, sent } of following.values()) {
        places.push([live.id, sent.TEXT, sent.REASONING]);
        // The one that was sent first may have been lost.
        if (live.retrying !== undefined) this.#bus.send(serverId, recordOf(live.retrying));
      }
      this.#bus.send(serverId, ['beat', places]);
    }
  }
}

function recordOf({ answerId, attempt, retryAt, code, provider, apiKeyId, isOtherKey }: Retrying): BusRecord {
  return ['retrying', answerId, attempt, retryAt.toISOString(), code, provider, apiKeyId, isOtherKey];
}

interface RemoteServer {
  seenAtMs: number;
  following: Map<string, Following>;
}

interface Following {
  live: LiveAnswer;
  cursor: AnswerCursor;
  sent: Offsets;
  acked: Offsets;
  /** The attempt of the last retry that was sent. */
  sentAttempt: number;
}

type Offsets = Record<AnswerPart, number>;

const LONGEST_PIECE = 32_768; // UTF-16 code units
const WINDOW = 131_072; // UTF-16 code units that are sent and not acknowledged
