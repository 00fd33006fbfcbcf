import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { onTestFinished } from 'vitest';

/** A server that speaks as much of RESP2 as a client sends, and replies as a test says. It lives no longer than the test. */
export interface FakeRedis {
  url: string;
  /** The commands that arrived, each as its words. */
  commands: string[][];
  /** How many connections were made so far. */
  dialled: number;
}

/** The reply to a command, encoded; null for none at all. */
export type ReplyTo = (words: readonly string[]) => string | null;

export async function startFakeRedis(
  replyTo: ReplyTo = () => OK,
  /** Key and certificate in PEM, for a server that takes only TLS. */
  tls?: { key: string; cert: string },
): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const take = (socket: Socket) => {
    fake.dialled += 1;
    sockets.add(socket.on('error', () => {}));
    let arrived = '';
    socket.on('data', (data) => {
      arrived += data.toString('latin1');
      for (let found = readCommand(arrived); found !== null; found = readCommand(arrived)) {
        arrived = found.rest;
        fake.commands.push(found.words);
        const reply = replyTo(found.words);
        if (reply !== null) socket.write(reply);
      }
    });
  };
  const server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const fake: FakeRedis = {
    url: `${tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`,
    commands: [],
    dialled: 0,
  };
  return fake;
}

/** Replies as a healthy server does to all that a client says by itself, and to other commands as `others` says. */
export function healthy(others: ReplyTo): ReplyTo {
  return (words) => {
    if (words[0] === 'INFO') return bulk('# Cluster\r\ncluster_enabled:0\r\n');
    return ['CLIENT', 'PING', 'AUTH', 'SELECT'].includes(words[0] ?? '') ? OK : others(words);
  };
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

export const OK = '+OK\r\n';

/** The first whole command of what has arrived. */
function readCommand(arrived: string): { words: string[]; rest: string } | null {
  const count = /^\*(\d+)\r\n/.exec(arrived);
  if (count === null) return null;
  let at = count[0].length;
  const words: string[] = [];
  while (words.length < Number(count[1])) {
    const length = /^\$(\d+)\r\n/.exec(arrived.slice(at));
    if (length === null) return null;
    const begin = at + length[0].length;
    const end = begin + Number(length[1]);
    if (arrived.length < end + 2) return null;
    words.push(arrived.slice(begin, end));
    at = end + 2;
  }
  return { words, rest: arrived.slice(at) };
}
