import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LatchkeyTarget } from '../clients/target.ts';
import type { Setting } from './contenders.ts';
import { inventSecret, type LatchkeyHome, type RunningLatchkey, startLatchkey } from './latchkey.ts';
import { signPeopleUp } from './people.ts';
import { createBenchDatabase } from './postgres.ts';
import type { BenchRedis } from './redis.ts';

/** Servers of one database. */
export interface Fleet {
  servers: RunningLatchkey[];
  redis: BenchRedis | undefined;
  /** Name of the database. */
  database: string;
  databaseUrl: string;
  /** The first server. */
  target: LatchkeyTarget;
  /** Starts one more, or the one of this number again. */
  start(number?: number): Promise<void>;
}

/** Starts a server with people who have signed up. It is a lone one without Redis. Undefined without PostgreSQL. */
export async function startFleet(
  { providerUrl, cleanup, nodeFlags }: Setting,
  redis: BenchRedis | undefined,
  { people, settings = {} }: { people: number; settings?: Readonly<Record<string, string>> },
): Promise<Fleet | undefined> {
  const database = await createBenchDatabase();
  if (database === undefined) return undefined;
  cleanup.add(database.drop);
  const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  cleanup.add(() => rmSync(dataDir, { recursive: true }));
  const home: LatchkeyHome = {
    checkout: fileURLToPath(new URL('../..', import.meta.url)),
    dataDir,
    databaseUrl: database.url,
    redisUrl: redis?.url,
    providerUrl,
    secrets: { root: inventSecret(), auth: inventSecret() },
    settings,
  };
  const servers: RunningLatchkey[] = [];
  cleanup.add(async () => {
    await Promise.all(servers.map(({ stop }) => stop()));
  });
  async function start(number = servers.length): Promise<void> {
    servers[number] = await startLatchkey(home, nodeFlags);
  }
  await start();
  const url = servers[0]?.url ?? '';
  const target: LatchkeyTarget = {
    kind: 'latchkey',
    url,
    ...(await signPeopleUp(url, providerUrl, people)),
  };
  return { servers, redis, database: database.name, databaseUrl: database.url, target, start };
}
