import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { RedisClient, RedisConnection } from '../bus/redis-connection.ts';
import { InProcessWindow } from './in-process.ts';
import type { CreateWindow, Limit, SlidingWindow } from './sliding-window.ts';

/**
 * Opens windows in which all servers of an installation count together, in Redis. While Redis is away, refuses or takes longer
 * than `TIMEOUT_MS`, each server decides alone, by what it has counted itself: nothing fails because Redis is away.
 */
export function openRedisWindows(options: RedisWindowOptions): CreateWindow {
  const store = new WindowStore(options);
  return (name, windowMs) => new RedisWindow(store, name, windowMs);
}

export interface RedisWindowOptions {
  connection: Pick<RedisConnection, 'client' | 'noteFailure' | 'redial'>;
  /** Keeps installations apart that share a Redis. */
  installationId: string;
  /** Hashes subjects, so that Redis holds no email and no address. The same on all servers. */
  authSecret: string;
}

class RedisWindow implements SlidingWindow {
  readonly #store: WindowStore;
  readonly #name: string;
  readonly #windowMs: number;
  /** What this server counted, wherever the decision was made: it decides by it when Redis goes away. */
  readonly #local: InProcessWindow;

  constructor(store: WindowStore, name: string, windowMs: number) {
    this.#store = store;
    this.#name = name;
    this.#windowMs = windowMs;
    this.#local = new InProcessWindow(windowMs);
  }

  async take(limits: readonly Limit[]): Promise<Date | null> {
    const waitMs = await this.#ask('take', limits);
    if (waitMs === null) return await this.#local.take(limits);
    if (waitMs > 0) return new Date(Date.now() + waitMs);
    this.#local.count(limits);
    return null;
  }

  async giveBack(subjects: readonly string[]): Promise<void> {
    await this.#local.giveBack(subjects);
    await this.#ask(
      'give-back',
      subjects.map((subject) => ({ subject, most: 1 })),
    );
  }

  async retryAt(limits: readonly Limit[]): Promise<Date | null> {
    const waitMs = await this.#ask('look', limits);
    if (waitMs === null) return await this.#local.retryAt(limits);
    return waitMs === 0 ? null : new Date(Date.now() + waitMs);
  }

  /** How long to wait by Redis' clock, 0 for not at all; null if Redis does not say. */
  async #ask(action: Action, limits: readonly Limit[]): Promise<number | null> {
    return limits.length === 0 ? 0 : await this.#store.ask(action, this.#name, this.#windowMs, limits);
  }
}

type Action = 'take' | 'look' | 'give-back';

/** Asks Redis for all windows of a server. After a reply that did not come in time, none is asked for a while. */
class WindowStore {
  readonly #options: RedisWindowOptions;
  #askAgainAtMs = 0;
  #silentSinceMs: number | null = null;

  constructor(options: RedisWindowOptions) {
    this.#options = options;
  }

  async ask(
    action: Action,
    name: string,
    windowMs: number,
    limits: readonly Limit[],
  ): Promise<number | null> {
    const { connection } = this.#options;
    const { client } = connection;
    if (client === null || performance.now() < this.#askAgainAtMs) return null;
    const call = {
      keys: limits.map(({ subject }) => this.#keyOf(name, subject)),
      arguments: [
        action,
        String(windowMs),
        randomBytes(MEMBER_BYTES).toString('base64url'),
        ...limits.map(({ most }) => String(Math.min(most, Number.MAX_SAFE_INTEGER))),
      ],
    };
    try {
      const waitMs = await inTime(evaluate(client, call));
      this.#silentSinceMs = null;
      return waitMs;
    } catch (error) {
      connection.noteFailure(error);
      if (error instanceof NoReplyError) this.#noteSilence();
      return null;
    }
  }

  #noteSilence(): void {
    const nowMs = performance.now();
    this.#askAgainAtMs = nowMs + PAUSE_MS;
    this.#silentSinceMs ??= nowMs;
    if (nowMs < this.#silentSinceMs + LONGEST_SILENCE_MS) return;
    this.#silentSinceMs = null;
    this.#options.connection.redial();
  }

  #keyOf(name: string, subject: string): string {
    const { installationId, authSecret } = this.#options;
    // The secret also signs sessions. The words in front keep a hash from ever being a signature.
    const hash = createHmac('sha256', authSecret).update(`limit ${name} ${subject}`).digest('base64url');
    return `{lk:${installationId}}:w:${name}:${hash}`;
  }
}

type Call = { keys: string[]; arguments: string[] };

async function evaluate(client: RedisClient, call: Call): Promise<number> {
  try {
    return Number(await client.evalSha(SCRIPT_SHA, call));
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return Number(await client.eval(SCRIPT, call));
  }
}

async function inTime(reply: Promise<number>): Promise<number> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NoReplyError()), TIMEOUT_MS);
  try {
    return await Promise.race([reply, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

class NoReplyError extends Error {
  readonly code = 'NO_REPLY';
}

/**
 * Counts one for all subjects or for none, looks, or takes back the newest counts. A subject is a sorted set of random members
 * by the millisecond of Redis' clock, which ends with its newest count. Replies with the milliseconds to wait. ZADD comes first
 * of all that is written: after another write Redis would not refuse it for lack of memory.
 */
const SCRIPT = `
local action, windowMs, member = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if action == 'give-back' then
  for _, key in ipairs(KEYS) do
    local newest = redis.call('ZRANGE', key, -1, -1)
    if newest[1] then redis.call('ZREM', key, newest[1]) end
  end
  return 0
end
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local waitMs = 0
for index, key in ipairs(KEYS) do
  local place = '-' .. ARGV[3 + index]
  local oldest = redis.call('ZRANGE', key, place, place, 'WITHSCORES')
  if oldest[2] then waitMs = math.max(waitMs, tonumber(oldest[2]) + windowMs - nowMs) end
end
if waitMs > 0 or action == 'look' then return waitMs end
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, nowMs, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', nowMs - windowMs)
  redis.call('PEXPIRE', key, windowMs)
end
return 0
`;

const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');

const TIMEOUT_MS = 250;
const PAUSE_MS = 1_000;
const LONGEST_SILENCE_MS = 3_000;
const MEMBER_BYTES = 9;
