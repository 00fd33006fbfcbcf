import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { GraphQLError } from 'graphql';
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import type { Sessions, Viewer } from '../accounts/session.ts';
import type { SessionWatch } from '../accounts/session-watch.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { formatError, formatResult, maskError } from '../execution/mask-error.ts';
import { openPlace } from '../execution/person-limits.ts';
import type { Pipeline } from '../execution/pipeline.ts';
import { executeOperation, prepareOperation, subscribeOperation } from '../execution/socket-operation.ts';
import { Subscription } from '../execution/subscription.ts';
import type { Shares } from '../execution/turns.ts';
import { addressOf, noteViewer, viewerOfRequest } from '../execution/viewer.ts';
import { log } from '../log.ts';
import { hasUsableHost, type Origins } from './origins.ts';
import * as policy from './policy.ts';
import { carrySocket, FORBIDDEN, outboxOf, RESTARTING, type SocketExtra, TRY_AGAIN_LATER } from './socket.ts';

interface SocketDeps {
  pipeline: Pipeline;
  sessions: Sessions;
  sessionWatch: SessionWatch;
  sharedReads: App['sharedReads'];
  shares: Shares;
  origins: Origins;
  config: Pick<Config, 'trustedProxies'>;
}

/**
 * Serves GraphQL over WebSocket at `/graphql`. The viewer comes from `connectionParams.authorization`, else from the cookie,
 * which is accepted only from allowed origins, since browsers send it for any page. An operation that fails never closes the
 * socket with the live answers on it.
 */
export function serveWebSocket(server: Server, deps: SocketDeps): ServedSockets {
  const sockets = new WebSocketServer(SOCKET_OPTIONS);
  const protocol = createProtocol(deps);
  const unidentified = new Map<string, number>();

  server.on('upgrade', (request, socket, head) => {
    // Node has removed its own listener: without one, a connection reset would end the process.
    socket.on('error', () => socket.destroy());
    const address = addressOf(request, deps.config.trustedProxies);
    const leave = openPlace(unidentified, address, policy.MAX_UNIDENTIFIED_SOCKETS);
    socket.once('close', () => leave?.());
    const refusal = refusalOf(request, deps.origins) ?? (leave === null ? TOO_MANY_UNIDENTIFIED : undefined);
    if (refusal !== undefined) {
      log.info({ code: refusal }, 'a socket was refused');
      socket.end(`HTTP/1.1 ${refusal}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () =>
        socket.destroy(),
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const onIdentified = () => leave?.();
      const outbox = outboxOf(webSocket, socket);
      const requestId = randomUUID();
      carrySocket(protocol, webSocket, { socket: webSocket, outbox, request, requestId, onIdentified });
    });
  });

  const open = () =>
    [...sockets.clients]
      .filter(({ readyState }) => readyState === WebSocket.OPEN)
      .map((socket) => () => socket.close(RESTARTING, 'Server is restarting'));
  return {
    open,
    async close() {
      // ws itself terminates sockets that do not answer the close frame.
      for (const close of open()) close();
      await new Promise((resolve) => sockets.close(resolve));
    },
  };
}

interface ServedSockets {
  /** For each open socket a function that closes it, after which its client connects again. */
  open(): (() => void)[];
  close(): Promise<void>;
}

function refusalOf(request: IncomingMessage, origins: Origins): string | undefined {
  const { origin } = request.headers;
  if (!hasUsableHost(request)) return '400 Bad Request';
  if (request.url?.split('?')[0] !== '/graphql') return '404 Not Found';
  if (origin !== undefined && !origins.has(origin)) return '403 Forbidden';
  return undefined;
}

function createProtocol({ pipeline, sessions, sessionWatch, sharedReads, shares, config }: SocketDeps) {
  const viewerOf = ({ request, authorization }: SocketExtra) =>
    viewerOfRequest(sessions, request, config.trustedProxies, authorization);
  async function viewerNow(extra: SocketExtra): Promise<Viewer | null> {
    const { viewer } = extra;
    const found = viewer && (await findShared(viewer));
    // Other sockets of the session may come from another address.
    return found ? { ...found, address: viewer.address } : await viewerOf(extra);
  }

  /**
   * Shares one session query among all operations that arrive while it runs or within a second. A session that is ended here is
   * announced, and read again at once; `sessionWatch` closes the sockets of one that another process ends.
   */
  function findShared(viewer: Viewer): Promise<Viewer | null> {
    const { id, sessionId } = viewer;
    return sharedReads.read(`session ${sessionId}`, () => sessions.findAgain(viewer), {
      topics: [sessionId, id],
    });
  }

  return makeServer<{ authorization?: unknown }, SocketExtra>({
    connectionInitWaitTimeout: policy.READY_TIMEOUT_MS,
    execute: executeOperation,
    subscribe: (args) => subscribeOperation(shares, args),
    onOperation({ extra }, id, _payload, _args, result) {
      // Not one for a query, a mutation, or a subscription that could not begin.
      if (result instanceof Subscription)
        result.deliverTo(extra.outbox, `{"id":${JSON.stringify(id)},"type":"next","payload":`, '}');
    },
    onNext: (_context, _id, _payload, _args, result) => formatResult(result),
    onError: (_context, _id, _payload, errors) => errors.map(formatError),
    async onConnect({ extra, connectionParams }) {
      const { authorization = extra.request.headers.authorization } = connectionParams ?? {};
      if (authorization !== undefined && typeof authorization !== 'string') return refuseSocket();
      // Only browsers send an origin, and only they have a session cookie.
      if (authorization === undefined && extra.request.headers.origin === undefined) return refuseSocket();
      extra.authorization = authorization;
      try {
        const viewer = await viewerOf(extra);
        if (viewer === null) return refuseSocket();
        const leave = shares.limits.openSocket(viewer.id);
        if (leave === null) {
          log.warn({ code: 'TOO_MANY_SOCKETS', userId: viewer.id }, 'a socket was refused');
          extra.socket.close(TRY_AGAIN_LATER, TOO_MANY_SOCKETS);
          return false;
        }
        extra.viewer = viewer;
        extra.onIdentified();
        const forget = sessionWatch.watch(viewer.sessionId, () => extra.socket.close(FORBIDDEN, 'Forbidden'));
        const place = shares.unread.open({
          socket: extra.request.socket,
          waitingBytes: () => extra.socket.bufferedAmount,
          cut: () => extra.socket.terminate(),
        });
        place.belongsTo(viewer.id);
        extra.place = place;
        extra.socket.once('close', () => {
          leave();
          forget();
          place.close();
        });
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
        noteViewer(extra.viewer ?? null);
        if (extra.viewer !== undefined) shares.limits.takeOperation(extra.viewer.id);
        // The session may have expired since the socket was opened.
        const viewer = await viewerNow(extra);
        // Also in turns: hundreds of messages may have waited for one session query.
        if (viewer !== null)
          return await shares.limits.running.run(viewer.id, () =>
            prepareOperation(pipeline, viewer, params, extra.place),
          );
        extra.socket.close(FORBIDDEN, 'Forbidden');
        return [refusedWith('UNAUTHENTICATED', 'The session has ended. Sign in again.')];
      } catch (error) {
        return [maskError(error)];
      }
    },
  });
}

function refuseSocket(): false {
  log.info({ code: 'UNAUTHENTICATED' }, 'a socket was refused');
  return false;
}

function refusedWith(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } });
}

/** ws has three options that its types lack. */
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

/** At most 123 bytes, the limit of a close frame. */
const TOO_MANY_SOCKETS = 'Too many sockets are open for this account. Close one, then try again.';
const TOO_MANY_UNIDENTIFIED = '429 Too Many Requests';
const TOO_MANY_OPERATIONS = `A socket carries at most ${policy.MAX_OPERATIONS_PER_SOCKET} operations.`;
