import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Viewer } from '../accounts/session.ts';
import type { SessionWatch } from '../accounts/session-watch.ts';
import type { OperationContext, RequestContext } from './request-context.ts';

/**
 * Ends a subscription over server-sent events with its response. Yoga does so once it has begun to send: it forgets one
 * whose client left while it was being prepared, which would be followed for ever.
 */
export const endWithResponse: Plugin<RequestContext> = {
  onSubscribe: ({ args }) => ({
    onSubscribeResult({ result }) {
      const { res } = args.contextValue;
      if (res === undefined || !(Symbol.asyncIterator in result)) return;
      const leave = () => void result.return?.();
      if (res.destroyed) leave();
      else res.once('close', leave);
    },
  }),
};

/**
 * Breaks off server-sent events when the session ends that they were opened with; sockets see to it themselves. While a
 * subscription is still being prepared, its response says that the session has ended.
 */
export function endWithSession(
  sessionWatch: SessionWatch,
  viewerOf: (request: IncomingMessage) => Promise<Viewer | null>,
): Plugin<OperationContext> {
  return {
    async onSubscribe({ args, setResultAndStopExecution }) {
      const { req, res, viewer } = args.contextValue;
      if (req === undefined || res === undefined || res.destroyed || viewer === null) return;
      let state: 'preparing' | 'followed' | 'ended' = 'preparing';
      const forget = sessionWatch.watch(viewer.sessionId, () => {
        if (state === 'followed') res.destroy();
        state = 'ended';
      });
      res.once('close', forget);
      // It may have ended after the viewer was read and before the listening began.
      if ((await viewerOf(req)) === null) {
        state = 'ended';
        setResultAndStopExecution({ errors: [SESSION_ENDED] });
      }
      return {
        onSubscribeResult({ result, setResult }) {
          if (!(Symbol.asyncIterator in result)) return;
          if (state === 'preparing') state = 'followed';
          if (state === 'followed') return;
          void result.return?.();
          setResult({ errors: [SESSION_ENDED] });
        },
      };
    },
  };
}

const SESSION_ENDED = new GraphQLError('The session has ended. Sign in again.', {
  extensions: { code: 'UNAUTHENTICATED' },
});
