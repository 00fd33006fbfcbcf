import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createClient } from 'redis';
import type { Cleanup } from '../cleanup.ts';

/** A Redis that nobody else uses, so that all it does is for the servers that are measured. */
export interface BenchRedis {
  url: string;
  pid: number;
  /** Begins to count. The returned function gives what was done since. */
  startCount(): Promise<() => Promise<BusCount>>;
}

/** What servers have asked of Redis. */
export interface BusCount {
  /** Commands of all kinds. */
  commands: number;
  publishes: number;
  /** Those that carried text of answers. The others are signs of life, acknowledgements and announcements. */
  publishesWithText: number;
}

/** Starts one on a free port. Undefined if this machine has no `redis-server`. */
export async function startRedis(cleanup: Cleanup): Promise<BenchRedis | undefined> {
  if (readRedisVersion() === undefined) return undefined;
  const port = await findFreePort();
  const child = spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(port), '--save', ''], {
    stdio: 'ignore',
  });
  cleanup.add(async () => {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill()) await gone;
  });
  const url = `redis://127.0.0.1:${port}`;
  const client = createClient({ url });
  client.on('error', () => {}); // it tries again until Redis listens
  await client.connect();
  const listener = client.duplicate();
  await listener.connect();
  cleanup.add(() => {
    client.destroy();
    listener.destroy();
  });
  let publishesWithText = 0;
  await listener.pSubscribe('*', (message) => {
    const { r } = JSON.parse(message.slice(SIGNATURE_LENGTH)) as { r: [kind: string][] };
    if (r.some(([kind]) => kind === 'frame')) publishesWithText += 1;
  });
  async function readCounts(): Promise<BusCount> {
    const calls = callsOf(await client.info('commandstats'));
    const commands = [...calls].reduce((sum, [name, count]) => (OWN.has(name) ? sum : sum + count), 0);
    return { commands, publishes: calls.get('publish') ?? 0, publishesWithText };
  }
  return {
    url,
    pid: child.pid ?? 0,
    async startCount() {
      const before = await readCounts();
      return async () => {
        const after = await readCounts();
        return {
          commands: after.commands - before.commands,
          publishes: after.publishes - before.publishes,
          publishesWithText: after.publishesWithText - before.publishesWithText,
        };
      };
    },
  };
}

/** Undefined if there is none on this machine. */
export function readRedisVersion(): string | undefined {
  const { error, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return error === undefined ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : undefined;
}

const SIGNATURE_LENGTH = 22; // which comes before the JSON of a message
const OWN = new Set(['info']); // what the benchmark itself asks while it counts

/** How often each command was called, from lines like `cmdstat_publish:calls=3,usec=12`. */
function callsOf(info: string): Map<string, number> {
  return new Map(
    [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [name, Number(calls)]),
  );
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
