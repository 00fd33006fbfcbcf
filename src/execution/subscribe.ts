import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  validateSubscriptionArgs,
} from 'graphql';
import { Following } from '../pollable.ts';
import { maskError } from './mask-error.ts';
import { masked, Subscription, type SubscriptionRun } from './subscription.ts';

/** Begins a subscription. Errors are masked here, since this is the last step. */
export async function subscribe(
  args: ExecutionArgs,
  run: SubscriptionRun,
): Promise<Subscription | ExecutionResult> {
  const validated = validateSubscriptionArgs(args);
  if (!('schema' in validated)) return { errors: validated.map(maskError) };
  const source = await createSourceEventStream(validated);
  if (!(Symbol.asyncIterator in source)) return masked(source);
  if (!(source instanceof Following)) throw new Error('a subscription field returned another stream');
  return new Subscription(validated, source, run);
}
