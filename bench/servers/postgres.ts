import { connect } from 'node:net';
import postgres from 'postgres';

export interface BenchDatabase {
  name: string;
  url: string;
  drop(): Promise<void>;
}

/**
 * Makes an empty database on the PostgreSQL server of LATCHKEY_BENCH_DATABASE_URL, else on the one of this machine.
 * Undefined if nobody answers there.
 */
export async function createBenchDatabase(): Promise<BenchDatabase | undefined> {
  const serverUrl = process.env.LATCHKEY_BENCH_DATABASE_URL ?? LOCAL_SERVER;
  if (serverUrl === LOCAL_SERVER && !(await isListening(5432))) return undefined;
  const name = `latchkey_bench_${crypto.randomUUID().replaceAll('-', '')}`;
  const client = postgres(serverUrl, { max: 1, onnotice: () => {} });
  await client`create database ${client(name)}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    async drop() {
      await client`drop database ${client(name)} with (force)`;
      await client.end();
    },
  };
}

const LOCAL_SERVER = 'postgres://postgres@127.0.0.1:5432/postgres';

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}
