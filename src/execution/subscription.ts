import { type ExecutionResult, executeSubscriptionEvent, type ValidatedSubscriptionArgs } from 'graphql';
import type { Context } from '../graphql/context.ts';
import { type LogScope, logScope } from '../log.ts';
import type { Following, Polled } from '../pollable.ts';
import { delivery } from './delivery.ts';
import { type DeltaTemplate, templateFor } from './delta-template.ts';
import { eventKey, type FollowedEvent } from './event-key.ts';
import { maskError } from './mask-error.ts';
import type { Outbox } from './outbox.ts';

/** Scheduling of a subscription among others. */
export interface SubscriptionRun {
  /** Runs the execution of an event in its turn. */
  runEvent<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Called when the subscription is over. */
  onEnd(): void;
}

type Step = IteratorResult<ExecutionResult, undefined>;

/**
 * The results of a subscription. Each event is executed as GraphQL specifies, once for all equal subscriptions of a viewer.
 * Deltas are written to the connection instead, without a promise or an object for each, as long as the client keeps up; its
 * protocol only sees the results in between. Written by hand, since `return()` must not wait for the next event.
 */
export class Subscription implements AsyncIterableIterator<ExecutionResult, undefined> {
  readonly #args: ValidatedSubscriptionArgs;
  readonly #events: Following<FollowedEvent>;
  readonly #run: SubscriptionRun;
  readonly #scope: LogScope | undefined = logScope.getStore();
  readonly #template: DeltaTemplate | undefined;
  #target: { outbox: Outbox; head: string; tail: string } | undefined;
  /** What the protocol waits for. */
  #request: PromiseWithResolvers<Step> | undefined;
  /** Whether an event is being read or executed. */
  #isBusy = false;

  constructor(args: ValidatedSubscriptionArgs, events: Following<FollowedEvent>, run: SubscriptionRun) {
    this.#args = args;
    this.#events = events;
    this.#run = run;
    this.#template = templateFor(args);
    events.wakeWith(() => delivery.wake(this));
  }

  /** Writes deltas to an outbox from now on, each between `head` and `tail`. */
  deliverTo(outbox: Outbox, head: string, tail: string): void {
    this.#target = { outbox, head, tail };
  }

  next(): Promise<Step> {
    if (this.#request !== undefined) return this.#request.promise.then(() => this.next());
    const request = Promise.withResolvers<Step>();
    this.#request = request;
    this.pump();
    return request.promise;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#end();
    this.#settle(OVER);
    return OVER;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Takes events until one has to be executed, none is left, or the client has to read first. */
  pump(): void {
    try {
      while (this.#request !== undefined && !this.#isBusy) {
        if (this.#target !== undefined && !this.#target.outbox.hasRoom(this)) return;
        const step = this.#events.take();
        if (step instanceof Promise) this.#await(step);
        else if (!this.#handle(step)) return;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #await(pending: Promise<Polled<FollowedEvent>>): void {
    this.#isBusy = true;
    pending.then(
      (step) => {
        this.#isBusy = false;
        if (this.#handle(step)) this.pump();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** Whether more may be taken. */
  #handle(step: Polled<FollowedEvent>): boolean {
    if (step.type === 'idle') return false;
    if (step.type === 'done') {
      this.#end();
      this.#settle(OVER);
      return false;
    }
    const { event } = step;
    if (event.type !== 'delta' || this.#template === undefined || this.#target === undefined) {
      this.#isBusy = true;
      this.#execute(event).then(
        (value) => {
          this.#isBusy = false;
          this.#settle({ done: false, value });
        },
        (error: unknown) => this.#fail(error),
      );
      return false;
    }
    const { outbox, head, tail } = this.#target;
    outbox.write(head + this.#template.resultOf(event) + tail);
    return true;
  }

  #execute(event: FollowedEvent): Promise<ExecutionResult> {
    const { sharedReads } = (this.#args.contextValue as Context).deps;
    const load = () =>
      this.#run.runEvent(async () =>
        masked(await executeSubscriptionEvent({ ...this.#args, rootValue: event })),
      );
    const key = eventKey(this.#args, event);
    const execute = () => (key === undefined ? load() : sharedReads.read(key, load));
    return this.#scope === undefined ? execute() : logScope.run(this.#scope, execute);
  }

  #settle(step: Step): void {
    const request = this.#request;
    this.#request = undefined;
    request?.resolve(step);
  }

  #fail(error: unknown): void {
    this.#isBusy = false;
    this.#end();
    const request = this.#request;
    this.#request = undefined;
    request?.reject(error);
  }

  #end(): void {
    this.#run.onEnd();
    this.#events.close();
  }
}

const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The same result with its errors masked. */
export function masked(result: ExecutionResult): ExecutionResult {
  return result.errors === undefined ? result : { ...result, errors: result.errors.map(maskError) };
}
