import type { ExecutionArgs, ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { PersonLimits } from './person-limits.ts';
import type { OperationContext } from './request-context.ts';
import { subscribe } from './subscribe.ts';
import { Subscription } from './subscription.ts';
import type { UnreadBytes } from './unread-bytes.ts';

/** The limits that operations share. */
export interface Shares {
  limits: PersonLimits;
  unread: UnreadBytes;
}

/** Runs every operation in its person's turn, over every transport. */
export function takeTurns(shares: Shares): Plugin<OperationContext> {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs) => runInTurn(shares, args, () => executeFn(args)));
    },
    onSubscribe({ setSubscribeFn, extendContext }) {
      setSubscribeFn(async (args: ExecutionArgs) => {
        const result = await subscribeInTurn(shares, args);
        if (result instanceof Subscription) extendContext({ subscription: result });
        return result;
      });
    },
  };
}

/** Begins a subscription, which is counted for its person until it is over. */
export async function subscribeInTurn(shares: Shares, args: ExecutionArgs) {
  const { subject } = args.contextValue as OperationContext;
  const { limits, unread } = shares;
  const release = limits.openSubscription(subject);
  const begin = () =>
    subscribe(args, {
      onEnd: release,
      // Waits until the client has read enough, since each event may hold the text of a whole answer.
      runEvent: (work) => limits.events.run(subject, () => unread.room(subject).then(work)),
    });
  try {
    const result = await runInTurn(shares, args, begin);
    if (!(result instanceof Subscription)) release();
    return result;
  } catch (error) {
    release();
    throw error;
  }
}

async function runInTurn<Result extends ExecutionResult | AsyncIterable<ExecutionResult>>(
  { limits, unread }: Shares,
  args: ExecutionArgs,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const context = args.contextValue as OperationContext;
  const { subject, res, place } = context;
  return await limits.running.run(subject, async () => {
    unread.requireRoom(subject);
    let reserved = 0;
    context.reserve = (characters) => {
      reserved += characters;
      place?.reserve(characters);
    };
    try {
      return await work();
    } finally {
      // Over HTTP the count lasts until the response is read; a socket counts what it buffers itself.
      if (res === undefined) place?.release(reserved);
    }
  });
}
