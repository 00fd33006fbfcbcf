import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './free-port.ts';

/** The way to a PostgreSQL or Redis server, which a test can break. */
export interface DatabaseProxy extends AsyncDisposable {
  /** The server's URL by this way. */
  url: string;
  /** Resets every connection and refuses new ones, as a server does that is stopped. */
  cut(): Promise<void>;
  /** Drops all data in both directions without closing, like a network that is gone. */
  silence(): void;
  /** Lets connections through again. What was under way in a silence arrives late; what was closed in it never does. */
  restore(): Promise<void>;
  /** Breaks the next connection that says this to the server, after the server has replied and before the reply is passed on. */
  loseReplyTo(words: string): void;
  /** How many connections were made so far. */
  dialled: number;
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const { hostname, port } = new URL(databaseUrl);
  const pairs = new Set<Pair>();
  let isSilent = false;
  let lost: string | undefined;
  const server = createServer((near) => {
    proxy.dialled += 1;
    const pair: Pair = { near, far: undefined };
    pairs.add(pair);
    near.on('error', () => {});
    near.on('data', (said) => {
      if (lost === undefined || !said.includes(lost)) return;
      lost = undefined;
      pair.far
        ?.unpipe(near)
        .once('data', () => near.resetAndDestroy())
        .resume();
    });
    near.once('close', () => {
      // In a silence the other side does not hear of it.
      if (!isSilent) pair.far?.destroy();
    });
    if (isSilent) near.pause();
    else join(pair);
  });

  function join(pair: Pair): void {
    pair.far ??= connect(Number(port || 5432), hostname).on('error', () => pair.near.destroy());
    pair.far.pipe(pair.near).pipe(pair.far);
  }

  const ownPort = await freePort();

  async function listen(): Promise<void> {
    if (!server.listening) await new Promise<void>((resolve) => server.listen(ownPort, '127.0.0.1', resolve));
  }

  async function cut(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const { near, far } of pairs) {
      near.resetAndDestroy();
      far?.destroy();
    }
    pairs.clear();
    await closed;
  }

  await listen();
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${ownPort}`;
  const proxy: DatabaseProxy = {
    url: url.href,
    dialled: 0,
    cut,
    silence() {
      isSilent = true;
      for (const { near, far } of pairs) {
        near.unpipe(far).pause();
        far?.unpipe(near).pause();
      }
    },
    loseReplyTo(words) {
      lost = words;
    },
    async restore() {
      isSilent = false;
      for (const pair of pairs) if (!pair.near.destroyed) join(pair);
      await listen();
    },
    [Symbol.asyncDispose]: cut,
  };
  return proxy;
}

interface Pair {
  near: Socket;
  far: Socket | undefined;
}
