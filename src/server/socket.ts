import type { IncomingMessage } from 'node:http';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Viewer } from '../accounts/session.ts';
import type { Place } from '../execution/unread-bytes.ts';
import { failureName, log, logScope } from '../log.ts';
import { MAX_BUFFERED_BYTES, MAX_BYTES_BEFORE_READY, PING_EVERY_MS } from './policy.ts';

/**
 * Carries the GraphQL protocol over one socket until it is closed. graphql-ws comes with an adapter of its own, which prints
 * what clients do wrong, reads on however much its answers pile up, and closes with 4500, after which clients stay away.
 */
export function carrySocket(protocol: Server<SocketExtra>, socket: WebSocket, extra: SocketExtra): void {
  limitUntilReady(socket, extra);
  const stopPings = pingRegularly(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      // Resolves when the text has left, so a subscription has one message under way and a stalled client costs no more.
      send: (text) =>
        new Promise((resolve) => {
          if (socket.readyState === socket.OPEN) socket.send(text, () => resolve());
          else resolve();
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (receive) =>
        socket.on('message', (data) => {
          if (isPilingUp(socket)) return;
          const scope = { requestId: extra.requestId, startedAtMs: performance.now() };
          void logScope.run(scope, () =>
            receive(String(data)).catch((error: unknown) => {
              // Until then nothing of ours can fail.
              if (extra.viewer === undefined || isServersMessage(error))
                return socket.close(CloseCode.BadRequest, 'Invalid message received');
              log.error({ failure: failureName(error) }, 'a socket message failed');
              socket.close(TRY_AGAIN_LATER, 'Try again later');
            }),
          );
        }),
    },
    extra,
  );
  socket.on('ping', () => isPilingUp(socket));
  socket.on('error', () => {}); // a broken frame; ws closes the socket with the code for it
  socket.once('close', (code, reason) => {
    stopPings();
    void closed(code, String(reason)).catch((error: unknown) =>
      log.error({ failure: failureName(error) }, 'a closed socket could not be cleared up'),
    );
  });
}

/** What is known of a socket besides the protocol's own state. */
export interface SocketExtra {
  socket: WebSocket;
  /** The handshake. */
  request: IncomingMessage;
  requestId: string;
  /** From `connectionParams`; the handshake's own header or cookie is used without it. */
  authorization?: string | undefined;
  /** Called when it is known who it is. */
  onIdentified(): void;
  /** The viewer, once the socket is identified. */
  viewer?: Viewer;
  /** Where what is sent is counted until it is read. */
  place?: Place;
}

/**
 * Cuts off a client that has said more than it takes to say who it is. Bytes are counted, since a message is not one until
 * it is whole.
 */
function limitUntilReady(socket: WebSocket, extra: SocketExtra): void {
  const wire = extra.request.socket;
  const most = wire.bytesRead + MAX_BYTES_BEFORE_READY;
  function look(): void {
    if (extra.viewer !== undefined) wire.off('data', look);
    else if (wire.bytesRead > most) socket.terminate();
  }
  wire.on('data', look);
}

/** Cuts off a client that goes on asking and does not read the answers. */
function isPilingUp(socket: WebSocket): boolean {
  if (socket.bufferedAmount <= MAX_BUFFERED_BYTES) return false;
  socket.terminate();
  return true;
}

/** Cuts off a client that is gone without having said so. */
function pingRegularly(socket: WebSocket): () => void {
  let hasAnswered = true;
  socket.on('pong', () => {
    hasAnswered = true;
  });
  const timer = setInterval(() => {
    if (!hasAnswered) return socket.terminate();
    hasAnswered = false;
    socket.ping();
  }, PING_EVERY_MS);
  return () => clearInterval(timer);
}

/** What graphql-ws throws when a client sends what only servers send. */
function isServersMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type ');
}

/** Clients connect again after these two. */
export const TRY_AGAIN_LATER = 1013;
export const RESTARTING = 1012;

/** Clients connect again, and ask anew who they are, after this one. */
export const FORBIDDEN = CloseCode.Forbidden;
