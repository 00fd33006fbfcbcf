import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
} from 'graphql';
import type { WorkspaceEvent } from '../events/read-workspace-event.ts';
import type { Gone } from '../events/sight.ts';
import type { ThreadEvent } from '../events/thread-events.ts';
import { maskError } from './mask-error.ts';
import { prepareDelta } from './prepared-delta.ts';

/** Whatever can be followed. */
type Event = ThreadEvent | WorkspaceEvent | Gone;

type Results = AsyncIterableIterator<ExecutionResult, undefined>;

/**
 * Subscribes for a socket. Every event is executed as GraphQL says, except deltas, whose few fields are read once for all
 * of them. Errors are masked here, since nothing comes after.
 */
export async function subscribe(args: ExecutionArgs): Promise<Results | ExecutionResult> {
  const validated = validateSubscriptionArgs(args);
  if (!('schema' in validated)) return { errors: validated.map(maskError) };
  const source = await createSourceEventStream(validated);
  if (!(Symbol.asyncIterator in source)) return masked(source);
  return resultsOf(validated, (source as AsyncIterable<Event, undefined>)[Symbol.asyncIterator]());
}

/** Written by hand like the iterator beneath it, since leaving must not wait for the next event. */
function resultsOf(args: ValidatedSubscriptionArgs, events: AsyncIterator<Event, undefined>): Results {
  const resultOfDelta = prepareDelta(args);
  async function execute(event: Event): Promise<IteratorYieldResult<ExecutionResult>> {
    return { value: masked(await executeSubscriptionEvent({ ...args, rootValue: event })) };
  }
  return {
    next: () =>
      events.next().then((step) => {
        if (step.done === true) return step;
        if (step.value.type !== 'delta' || resultOfDelta === undefined) return execute(step.value);
        return { value: resultOfDelta(step.value) };
      }),
    async return() {
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
