import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventually } from './eventually.ts';

/** A socket on which a test says what it likes, as no client library would. */
export interface RawSocket {
  socket: WebSocket;
  /** What has arrived, in order. */
  messages: Message[];
  /** `code reason` once it is closed. */
  closed: Promise<string>;
  send(message: object): void;
  /** The first message of this type, for this operation if one is named; waits for it. */
  message(type: string, id?: string): Promise<Message>;
}

export interface Message {
  type: string;
  id?: string;
  payload?: unknown;
}

/** Opens a socket and says who it is, unless `init` is null. */
export async function openSocket(
  url: string,
  options: { init?: object | null; headers?: Record<string, string> } = {},
): Promise<RawSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    headers: options.headers ?? {},
  });
  const messages: Message[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  const closed = new Promise<string>((resolve) => {
    socket.once('close', (code, reason) => resolve(`${code} ${reason}`.trim()));
  });
  const send = (message: object): void => socket.send(JSON.stringify(message));
  await once(socket, 'open');
  if (options.init !== null) send({ type: 'connection_init', payload: options.init });
  return {
    socket,
    messages,
    closed,
    send,
    message: (type, id) =>
      eventually(`${type} ${id ?? ''}`, () =>
        messages.find((message) => message.type === type && (id === undefined || message.id === id)),
      ),
  };
}

/** Opens a socket for a person and waits for its acknowledgement. */
export async function openFor({ url, token }: { url: string; token: string }): Promise<RawSocket> {
  const opened = await openSocket(url, { init: { authorization: `Bearer ${token}` } });
  await opened.message('connection_ack');
  return opened;
}
