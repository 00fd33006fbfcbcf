import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { GraphQLError } from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import { type ServerOptions, WebSocketServer } from 'ws';
import type { Sessions } from '../accounts/session.ts';
import type { App } from '../app.ts';
import { maskError } from '../graphql/mask-error.ts';
import type { Yoga } from './graphql.ts';
import {
  executeOperation,
  formatError,
  prepareOperation,
  type SocketExtra,
  subscribeOperation,
} from './operation.ts';
import { hasUsableHost, type Origins } from './origins.ts';
import * as policy from './policy.ts';
import { sendDirectly } from './send-directly.ts';
import { carrySocket, FORBIDDEN, RESTARTING, TRY_AGAIN_LATER } from './socket.ts';
import { viewerOfRequest } from './viewer.ts';

interface SocketDeps {
  app: Pick<App, 'changes'>;
  yoga: Yoga;
  sessions: Sessions;
  origins: Origins;
  trustedProxies: readonly string[];
}

/**
 * Serves GraphQL over WebSocket at `/graphql`. The person is known from `connectionParams.authorization`, else from the
 * cookie, whose use is limited to allowed origins since browsers send it along for any page. An operation that fails never
 * takes down the socket and the live answers on it. Returns a function that closes all sockets.
 */
export function serveWebSocket(server: Server, deps: SocketDeps): () => Promise<void> {
  const sockets = new WebSocketServer(SOCKET_OPTIONS);
  const protocol = createProtocol(deps);

  server.on('upgrade', (request, socket, head) => {
    // Node has taken its own listener off: without one, a connection that is reset would end the process.
    socket.on('error', () => socket.destroy());
    const refusal = refusalOf(request, deps.origins);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () =>
        socket.destroy(),
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      carrySocket(protocol, webSocket, { socket: webSocket, request, requestId: randomUUID() });
    });
  });

  return async () => {
    // Those that do not answer the close frame are cut off by ws itself.
    for (const socket of sockets.clients) socket.close(RESTARTING, 'Server is restarting');
    await new Promise((resolve) => sockets.close(resolve));
  };
}

function refusalOf(request: IncomingMessage, origins: Origins): string | undefined {
  const { origin } = request.headers;
  if (!hasUsableHost(request)) return '400 Bad Request';
  if (request.url?.split('?')[0] !== '/graphql') return '404 Not Found';
  if (origin !== undefined && !origins.has(origin)) return '403 Forbidden';
  return undefined;
}

function createProtocol({ app, yoga, sessions, trustedProxies }: SocketDeps) {
  const viewerOf = ({ request, authorization }: SocketExtra) =>
    viewerOfRequest(sessions, request, trustedProxies, authorization);
  const viewerNow = async (extra: SocketExtra) =>
    (extra.viewer && (await sessions.findAgain(extra.viewer))) ?? (await viewerOf(extra));

  return makeServer<{ authorization?: unknown }, SocketExtra>({
    connectionInitWaitTimeout: policy.READY_TIMEOUT_MS,
    execute: executeOperation,
    subscribe: subscribeOperation,
    onOperation({ extra }, id, _payload, _args, result) {
      // Not an iterator for a query, a mutation, or a subscription that could not begin.
      return Symbol.asyncIterator in result ? sendDirectly(result, id, extra.socket) : undefined;
    },
    onError: (_context, _id, _payload, errors) => errors.map(formatError),
    async onConnect({ extra, connectionParams }) {
      const { authorization = extra.request.headers.authorization } = connectionParams ?? {};
      if (authorization !== undefined && typeof authorization !== 'string') return false;
      // Only browsers say which page they connect for, and only they send a cookie that they were given elsewhere.
      if (authorization === undefined && extra.request.headers.origin === undefined) return false;
      extra.authorization = authorization;
      try {
        const viewer = await viewerOf(extra);
        if (viewer === null) return false;
        extra.viewer = viewer;
        const session = app.changes.listen(viewer.sessionId, () =>
          extra.socket.close(FORBIDDEN, 'Forbidden'),
        );
        extra.socket.once('close', () => session.close());
        return true;
      } catch (error) {
        maskError(error);
        extra.socket.close(TRY_AGAIN_LATER, 'Try again later');
        return false;
      }
    },
    async onSubscribe({ extra, subscriptions }, _id, params) {
      if (Object.keys(subscriptions).length > policy.MAX_OPERATIONS_PER_SOCKET)
        return [refusedWith('TOO_MANY_SUBSCRIPTIONS', TOO_MANY_OPERATIONS)];
      try {
        // The session may have run out since the socket was opened.
        const viewer = await viewerNow(extra);
        if (viewer !== null) return await prepareOperation(yoga, viewer, params);
        extra.socket.close(FORBIDDEN, 'Forbidden');
        return [refusedWith('UNAUTHENTICATED', 'The session has ended. Sign in again.')];
      } catch (error) {
        return [maskError(error)];
      }
    },
  });
}

function refusedWith(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

/** ws knows three more options than its types do. */
const SOCKET_OPTIONS: ServerOptions & Record<'maxFragments' | 'maxBufferedChunks' | 'closeTimeout', number> =
  {
    noServer: true,
    maxPayload: policy.MAX_MESSAGE_BYTES,
    maxFragments: policy.MAX_FRAGMENTS,
    maxBufferedChunks: policy.MAX_BUFFERED_CHUNKS,
    closeTimeout: policy.CLOSE_TIMEOUT_MS,
    perMessageDeflate: false,
    handleProtocols: (protocols) =>
      protocols.has(GRAPHQL_TRANSPORT_WS_PROTOCOL) ? GRAPHQL_TRANSPORT_WS_PROTOCOL : false,
  };

const TOO_MANY_OPERATIONS = `A socket carries at most ${policy.MAX_OPERATIONS_PER_SOCKET} operations.`;
