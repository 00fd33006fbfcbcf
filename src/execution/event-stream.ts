import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { FetchAPI, Plugin } from 'graphql-yoga';
import type { Viewer } from '../accounts/session.ts';
import type { SessionWatch } from '../accounts/session-watch.ts';
import { EventStreamBody } from './event-stream-body.ts';
import type { OperationContext, RequestContext } from './request-context.ts';

/** Sends the results of a subscription as server-sent events in the place of Yoga, which serialises each through web streams. */
export const sendEvents: Plugin<RequestContext, RequestContext> = {
  onResultProcess({ result, resultProcessor, setResultProcessor, serverContext }) {
    const { subscription, res } = serverContext;
    // Without a processor the client accepts no media type that a subscription can have.
    if (resultProcessor === undefined || !(Symbol.asyncIterator in result)) return;
    if (subscription === undefined || res === undefined) return;
    const send = (_result: unknown, { Response }: FetchAPI) => {
      // Yoga's responses take Node's streams too; only their types do not say so.
      const body: unknown = new EventStreamBody(subscription, res);
      return new Response(body as ReadableStream, { headers: EVENT_STREAM_HEADERS });
    };
    setResultProcessor(send, 'text/event-stream');
  },
};

const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  connection: 'keep-alive',
  'cache-control': 'no-cache',
  'content-encoding': 'none',
};

/**
 * Ends a subscription over server-sent events when its response closes. Yoga does so only once it has begun to send: a
 * subscription whose client left earlier would stay open for ever.
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
 * Closes server-sent events when the session ends that they were opened with; sockets do so themselves. If a subscription has
 * not begun yet, its response is the error of an ended session.
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
      // The session may have ended between the read of the viewer and `listen`.
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
