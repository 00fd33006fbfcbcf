import { GraphQLError } from 'graphql';
import { ConcurrencyLimit } from '../concurrency-limit.ts';
import { TokenBucket } from './token-bucket.ts';

/** The limits of one person on a server. */
export interface PersonNumbers {
  sockets: number;
  subscriptions: number;
  operationsPerSecond: number;
  /** Burst: operations that may come at once. */
  operationBurst: number;
}

/**
 * Rate and concurrency limits of each person over all sockets and connections, so that one person cannot stall the others.
 * Counts are in memory. Senders without a session are counted by network address, with the same limits.
 */
export class PersonLimits {
  readonly #numbers: PersonNumbers;
  readonly #operations: TokenBucket;
  readonly #sockets = new Map<string, number>();
  readonly #subscriptions = new Map<string, number>();
  /** Running operations, and subscriptions that begin. */
  readonly running = new ConcurrencyLimit(RUNNING_OPERATIONS);
  /** Events of subscriptions that are being executed. */
  readonly events = new ConcurrencyLimit(RUNNING_EVENTS);

  constructor(numbers: PersonNumbers) {
    this.#numbers = numbers;
    this.#operations = new TokenBucket(numbers.operationsPerSecond, numbers.operationBurst);
  }

  /** Counts an operation, or another request as one. Null if it may go on, else the time to wait in milliseconds. */
  tryOperation(subject: string): number | null {
    return this.#operations.take(subject);
  }

  /** Counts an operation. Throws RATE_LIMITED over the limit. */
  takeOperation(subject: string): void {
    const waitMs = this.tryOperation(subject);
    if (waitMs === null) return;
    const { operationsPerSecond } = this.#numbers;
    throw rateLimited(
      `More than ${operationsPerSecond} operations a second came from you. Wait until \`retryAt\`, then send fewer at once.`,
      waitMs,
    );
  }

  /** Counts an expensive operation as several, so that the next ones have to wait. */
  chargeFor(subject: string, cost: number): void {
    this.#operations.charge(subject, Math.floor(cost / FIELDS_OF_ONE_OPERATION));
  }

  /** Counts a socket until the returned function is called; null if there are too many. */
  openSocket(subject: string): (() => void) | null {
    return openPlace(this.#sockets, subject, this.#numbers.sockets);
  }

  /** Counts a subscription until the returned function is called. Throws TOO_MANY_SUBSCRIPTIONS. */
  openSubscription(subject: string): () => void {
    const { subscriptions } = this.#numbers;
    const release = openPlace(this.#subscriptions, subject, subscriptions);
    if (release !== null) return release;
    throw new GraphQLError(
      `You follow ${subscriptions} things at once already, which is the most. End a subscription, then try again.`,
      { extensions: { code: 'TOO_MANY_SUBSCRIPTIONS', http: { status: 429, spec: true } } },
    );
  }
}

/** The error for an operation that may be retried in so many milliseconds. */
export function rateLimited(message: string, waitMs: number): GraphQLError {
  const retryAt = new Date(Date.now() + waitMs).toISOString();
  const seconds = String(Math.max(1, Math.ceil(waitMs / 1_000)));
  return new GraphQLError(message, {
    extensions: {
      code: 'RATE_LIMITED',
      retryAt,
      http: { status: 429, spec: true, headers: { 'retry-after': seconds } },
    },
  });
}

/** Takes a place until the returned function is called; null if all are taken. */
export function openPlace(counts: Map<string, number>, subject: string, most: number): (() => void) | null {
  const count = counts.get(subject) ?? 0;
  if (count >= most) return null;
  counts.set(subject, count + 1);
  let isOpen = true;
  return () => {
    if (!isOpen) return;
    isOpen = false;
    const left = (counts.get(subject) ?? 1) - 1;
    if (left === 0) counts.delete(subject);
    else counts.set(subject, left);
  };
}

// Together fewer than the connections of the database pool, so one person never uses all of them.
const RUNNING_OPERATIONS = 6;
const RUNNING_EVENTS = 3;

const FIELDS_OF_ONE_OPERATION = 1_000; // most have fewer; the largest that are allowed count as twenty
