import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
} from 'graphql';
import type { Context } from '../graphql/context.ts';
import { prepareDelta } from './delta-fast-path.ts';
import { eventKeyOf, type FollowedEvent } from './event-key.ts';
import { maskError } from './mask-error.ts';

/** Scheduling of a subscription among others. */
export interface SubscriptionRun {
  /** Runs the execution of an event in its turn. */
  runEvent<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Called once when the subscription is over. */
  onEnd(): void;
}

type Results = AsyncIterableIterator<ExecutionResult, undefined>;

/**
 * Begins a subscription. Every event is executed as GraphQL specifies, once for all equal subscriptions of a viewer; deltas take
 * the fast path instead. Errors are masked here, since this is the last step.
 */
export async function subscribe(
  args: ExecutionArgs,
  run: SubscriptionRun,
): Promise<Results | ExecutionResult> {
  const validated = validateSubscriptionArgs(args);
  if (!('schema' in validated)) return { errors: validated.map(maskError) };
  const source = await createSourceEventStream(validated);
  if (!(Symbol.asyncIterator in source)) return masked(source);
  const events = (source as AsyncIterable<FollowedEvent, undefined>)[Symbol.asyncIterator]();
  return resultsOf(validated, events, run);
}

/** Written by hand like `toAsyncIterator`, since `return()` must not wait for the next event. */
function resultsOf(
  args: ValidatedSubscriptionArgs,
  events: AsyncIterator<FollowedEvent, undefined>,
  run: SubscriptionRun,
): Results {
  const { sharedReads } = (args.contextValue as Context).deps;
  const resultOfDelta = prepareDelta(args);
  const keyOf = eventKeyOf(args);
  async function execute(event: FollowedEvent): Promise<IteratorYieldResult<ExecutionResult>> {
    const load = () =>
      run.runEvent(async () => masked(await executeSubscriptionEvent({ ...args, rootValue: event })));
    const key = keyOf(event);
    return { value: await (key === undefined ? load() : sharedReads.read(key, load)) };
  }
  return {
    next: () =>
      events.next().then(
        (step) => {
          if (step.done === true) {
            run.onEnd();
            return step;
          }
          if (step.value.type !== 'delta' || resultOfDelta === undefined) return execute(step.value);
          return { value: resultOfDelta(step.value) };
        },
        (error: unknown) => {
          run.onEnd();
          throw error;
        },
      ),
    async return() {
      run.onEnd();
      await events.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function masked(result: ExecutionResult): ExecutionResult {
  return result.errors === undefined ? result : { ...result, errors: result.errors.map(maskError) };
}
