import { once } from 'node:events';
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import type { Message, RawSocket } from './raw-socket.ts';

/** One way to send operations, and what comes back byte for byte. */
export interface Wire {
  send(payload: object): Promise<Reply>;
  /** How many connections it has taken so far. */
  connections(): number;
  close(): void;
}

export interface Reply {
  /** HTTP status; null on a socket. */
  status: number | null;
  text: string;
  /** The code of the first error, top-level or as the first field's member of its union; DATA if there is none. */
  code: string;
}

/** Sends operations with POST, one after another over one connection for as long as the server keeps it. */
export function httpWire(
  { url, token }: { url: string; token?: string },
  accept: 'application/json' | 'text/event-stream',
  more: Readonly<Record<string, string | string[]>> = {},
): Wire {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const headers = {
    'content-type': 'application/json',
    accept,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...more,
  };
  return {
    async send(payload) {
      const response = await respond(
        `${url}/graphql`,
        { method: 'POST', agent, headers },
        JSON.stringify(payload),
      );
      ports.add(response.socket.localPort); // after its last byte a response no longer knows
      const text = await textOf(response);
      return { status: response.statusCode ?? 0, text, code: codeIn(text) };
    },
    connections: () => ports.size,
    close: () => agent.destroy(),
  };
}

/** Sends operations over a socket that is open, beside whatever else it carries. */
export function socketWire({ socket, messages, closed, send }: RawSocket): Wire {
  let count = 0;
  const hasClosed = closed.then((reason) => Promise.reject(new Error(`the socket was closed: ${reason}`)));
  hasClosed.catch(() => {}); // the promise may have no other handler
  return {
    async send(payload) {
      const id = `operation ${++count}`;
      send({ type: 'subscribe', id, payload });
      let reply: Message | undefined;
      while (reply === undefined) {
        await Promise.race([once(socket, 'message'), hasClosed]);
        reply = messages.find((message) => message.id === id);
      }
      const text = JSON.stringify(reply.type === 'error' ? { errors: reply.payload } : reply.payload);
      return { status: null, text, code: codeIn(text) };
    },
    connections: () => 1,
    close: () => socket.terminate(),
  };
}

/** The response to a request, once its headers are in. */
export async function respond(
  url: string,
  options: RequestOptions,
  body: string | Uint8Array,
): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    request(url, options, resolve).once('error', reject).end(body);
  });
}

/** The code of the first error in a JSON result, or in the first event of a stream. */
export function codeIn(text: string): string {
  const [, json = text] = /^data: (.+)$/m.exec(text) ?? [];
  const { errors, data } = JSON.parse(json) as {
    errors?: { extensions: { code: string } }[];
    data?: Record<string, { code?: string } | null> | null;
  };
  return errors?.[0]?.extensions.code ?? Object.values(data ?? {})[0]?.code ?? 'DATA';
}
