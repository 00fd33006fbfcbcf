import type { ExecutionArgs, ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { PersonLimits } from './person-limits.ts';
import type { OperationContext } from './request-context.ts';
import { subscribe } from './subscribe.ts';
import type { UnreadBytes } from './unread-bytes.ts';

/** What operations share the server by. */
export interface Shares {
  limits: PersonLimits;
  unread: UnreadBytes;
}

/** Runs every operation in its person's turn, whichever way it came. */
export function takeTurns(shares: Shares): Plugin<OperationContext> {
  return {
    onExecute({ executeFn, setExecuteFn }) {
      setExecuteFn((args: ExecutionArgs) => runInTurn(shares, args, () => executeFn(args)));
    },
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn((args: ExecutionArgs) => subscribeInTurn(shares, args));
    },
  };
}

/** Begins a subscription, which counts as its person's until it is over. */
export async function subscribeInTurn(shares: Shares, args: ExecutionArgs) {
  const { subject } = args.contextValue as OperationContext;
  const { limits, unread } = shares;
  const release = limits.openSubscription(subject);
  const begin = () =>
    subscribe(args, {
      onEnd: release,
      // First what was sent before is read, since the text of a whole answer may come with each event.
      runEvent: (work) => limits.events.run(subject, () => unread.room(subject).then(work)),
    });
  try {
    const result = await runInTurn(shares, args, begin);
    if (!(Symbol.asyncIterator in result)) release();
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
    let held = 0;
    context.hold = (characters) => {
      held += characters;
      place?.hold(characters);
    };
    try {
      return await work();
    } finally {
      // Over HTTP it is held until the response was read; a socket counts by itself what it was given.
      if (res === undefined) place?.release(held);
    }
  });
}
