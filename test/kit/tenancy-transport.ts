import { WebSocket } from 'ws';

/** The three ways to send an operation. */
export const TRANSPORT_NAMES = ['HTTP', 'SSE', 'WebSocket'] as const;

export type TransportName = (typeof TRANSPORT_NAMES)[number];

/** Sends operations as one person, or without a session, and returns the first reply as text: a result or a refusal. */
export interface Transport extends Disposable {
  send(query: string, variables: object, operationName?: string): Promise<string>;
}

/** Opens a transport with this token; null for no session. */
export async function openTransport(
  name: TransportName,
  url: string,
  token: string | null,
): Promise<Transport> {
  if (name === 'WebSocket') return await openSocket(url, token);
  const accept = name === 'SSE' ? 'text/event-stream' : 'application/json';
  return {
    async send(query, variables, operationName) {
      const abort = new AbortController();
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { accept, 'content-type': 'application/json', ...(token !== null && bearer(token)) },
        body: JSON.stringify({ query, variables, operationName }),
        signal: abort.signal,
      });
      if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
        return (await response.text()) || `status ${response.status}`;
      const text = await firstEvent(response);
      // A query has ended by now, and a subscription would go on.
      abort.abort();
      return text;
    },
    [Symbol.dispose]: () => {},
  };
}

async function firstEvent({ body }: Response): Promise<string> {
  let text = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const [, data] = /event: next\r?\ndata: (.*)\r?\n/.exec(text) ?? [];
    if (data !== undefined) return data;
  }
  return text;
}

async function openSocket(url: string, token: string | null): Promise<Transport> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const waiting = new Map<string, (text: string) => void>();
  let closed: string | undefined;
  let operations = 0;
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: token === null ? {} : bearer(token) })),
    );
    socket.on('message', (data) => {
      const { id, type, payload } = JSON.parse(String(data)) as {
        id: string;
        type: string;
        payload: unknown;
      };
      if (type === 'connection_ack') resolve();
      if (type === 'ping') socket.send('{"type":"pong"}');
      const settle = waiting.get(id);
      if (settle === undefined || (type !== 'next' && type !== 'error')) return;
      waiting.delete(id);
      if (type === 'next') socket.send(JSON.stringify({ id, type: 'complete' }));
      settle(JSON.stringify(type === 'error' ? { errors: payload } : payload));
    });
    socket.on('close', (code) => {
      closed = `closed ${code}`;
      for (const settle of waiting.values()) settle(closed);
      resolve();
    });
  });
  return {
    send(query, variables, operationName) {
      if (closed !== undefined) return Promise.resolve(closed);
      const id = String(++operations);
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query, variables, operationName } }));
      });
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}
