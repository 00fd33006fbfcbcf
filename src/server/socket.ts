import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Viewer } from '../accounts/session.ts';
import { Heartbeats } from '../execution/heartbeats.ts';
import { Outbox } from '../execution/outbox.ts';
import type { Place } from '../execution/unread-bytes.ts';
import { failureName, log, logScope } from '../log.ts';
import { MAX_BUFFERED_BYTES, MAX_BYTES_BEFORE_READY, PING_EVERY_MS } from './policy.ts';
import { writeTextFrames } from './text-frames.ts';

/**
 * Runs the GraphQL protocol over one socket until it is closed. It replaces graphql-ws's own adapter, which prints the errors of
 * clients, goes on reading however many unread bytes are buffered, and closes with 4500, after which clients do not reconnect.
 */
export function carrySocket(protocol: Server<SocketExtra>, socket: WebSocket, extra: SocketExtra): void {
  limitUntilReady(socket, extra);
  const stopPings = pingRegularly(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      // Resolves when the text has been written, so each subscription buffers at most one message for a stalled client.
      send: (text) =>
        new Promise((resolve) => {
          extra.outbox.flush();
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
              // Before the socket is identified only the client's message can be at fault.
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

/** The outbox for the deltas of one socket; `wire` is the connection under it. */
export function outboxOf(socket: WebSocket, wire: Duplex): Outbox {
  return new Outbox({
    waitingBytes: () => wire.writableLength,
    send(frames) {
      if (socket.readyState === socket.OPEN) writeTextFrames(wire, frames);
    },
    onTaken(callback) {
      if (wire.writable) wire.write(NOTHING, callback);
    },
  });
}

const NOTHING = new Uint8Array();

/** State of a socket besides the protocol's own. */
export interface SocketExtra {
  socket: WebSocket;
  /** Where deltas are written. */
  outbox: Outbox;
  /** The handshake. */
  request: IncomingMessage;
  requestId: string;
  /** From `connectionParams`; the handshake's own header or cookie is used without it. */
  authorization?: string | undefined;
  /** Called when the viewer is known. */
  onIdentified(): void;
  /** The viewer, once the socket is identified. */
  viewer?: Viewer;
  /** Counts the bytes of this socket that are sent and not yet read. */
  place?: Place;
}

/**
 * Terminates a socket that sends too much before it is identified. Counts bytes, since ws reports a message only when it is
 * complete.
 */
function limitUntilReady(socket: WebSocket, extra: SocketExtra): void {
  const wire = extra.request.socket;
  const most = wire.bytesRead + MAX_BYTES_BEFORE_READY;
  function check(): void {
    if (extra.viewer !== undefined) wire.off('data', check);
    else if (wire.bytesRead > most) socket.terminate();
  }
  wire.on('data', check);
}

/** Terminates a socket that goes on sending and does not read the results. */
function isPilingUp(socket: WebSocket): boolean {
  if (socket.bufferedAmount <= MAX_BUFFERED_BYTES) return false;
  socket.terminate();
  return true;
}

/** Terminates a socket whose client is gone without having closed it. */
function pingRegularly(socket: WebSocket): () => void {
  let hasAnswered = true;
  socket.on('pong', () => {
    hasAnswered = true;
  });
  const pinged = {
    beat() {
      if (!hasAnswered) return socket.terminate();
      hasAnswered = false;
      socket.ping();
    },
  };
  heartbeats.add(pinged);
  return () => heartbeats.remove(pinged);
}

const heartbeats = new Heartbeats(PING_EVERY_MS);

/** Whether graphql-ws threw because a client sent a message that only servers send. */
function isServersMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type ');
}

/** Close codes after which clients reconnect. */
export const TRY_AGAIN_LATER = 1013;
export const RESTARTING = 1012;

/** The close code after which clients reconnect and fetch their viewer again. */
export const FORBIDDEN = CloseCode.Forbidden;
