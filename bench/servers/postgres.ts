import { connect } from 'node:net';
import postgres from 'postgres';

export interface BenchDatabase {
  name: string;
  url: string;
  drop(): Promise<void>;
}

/**
 * Makes an empty database on the PostgreSQL server of LATCHKEY_BENCH_DATABASE_URL, else on the one of this machine.
 * Undefined if no server answers there.
 */
export async function createBenchDatabase(): Promise<BenchDatabase | undefined> {
  if (!(await isThere())) return undefined;
  const name = `latchkey_bench_${crypto.randomUUID().replaceAll('-', '')}`;
  const client = postgres(serverUrl(), { max: 1, onnotice: () => {} });
  await client`create database ${client(name)}`;
  const url = new URL(serverUrl());
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

/** What PostgreSQL has counted. WAL is that of the whole server. */
export interface DatabaseStatistics {
  transactions: number;
  transactionsElsewhere: number;
  walBytes: number;
}

export async function readStatistics(database: string): Promise<DatabaseStatistics> {
  const client = postgres(serverUrl(), { max: 1, onnotice: () => {} });
  try {
    const [row] = await client<[DatabaseStatistics]>`
      select
        coalesce(sum(xact_commit) filter (where datname = ${database}), 0)::float8 as "transactions",
        coalesce(sum(xact_commit) filter (where datname <> ${database}), 0)::float8 as "transactionsElsewhere",
        (pg_current_wal_lsn() - '0/0')::float8 as "walBytes"
      from pg_stat_database`;
    return row;
  } finally {
    await client.end();
  }
}

/** How many answers were cut off by the end of a server. */
export async function countInterrupted(databaseUrl: string): Promise<number> {
  const client = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const [row] = await client<[{ count: number }]>`
      select count(*)::int as count from messages where status = 'INTERRUPTED'`;
    return row.count;
  } finally {
    await client.end();
  }
}

/** Version of the server. Undefined if no server answers there. */
export async function readVersion(): Promise<string | undefined> {
  if (!(await isThere())) return undefined;
  const client = postgres(serverUrl(), { max: 1, onnotice: () => {} });
  try {
    const [row] = await client<[{ server_version: string }]>`show server_version`;
    return row.server_version;
  } finally {
    await client.end();
  }
}

function serverUrl(): string {
  return process.env.LATCHKEY_BENCH_DATABASE_URL ?? LOCAL_SERVER;
}

/** A server that was named must be there; the one of this machine need not. */
async function isThere(): Promise<boolean> {
  return serverUrl() !== LOCAL_SERVER || (await isListening(5432));
}

const LOCAL_SERVER = 'postgres://postgres@127.0.0.1:5432/postgres';

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
}
