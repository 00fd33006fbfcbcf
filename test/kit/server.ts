import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { PasswordHashes } from '../../src/accounts/password-hash.ts';
import { type App, type AppOptions, openApp } from '../../src/app.ts';
import { NO_BUS } from '../../src/bus/in-process.ts';
import { type Config, readConfig } from '../../src/config.ts';
import type { OpenDatabase } from '../../src/db/database.ts';
import { settings } from '../../src/db/tables/server.ts';
import { startServer } from '../../src/server/http.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { startBalancer } from './balancer.ts';
import { freshDatabase, sharedDatabase } from './database.ts';
import { faster } from './faster.ts';
import { startMemoryBus } from './memory-bus.ts';
import { type Person, signUp } from './person.ts';

/** A whole Latchkey on a free port, with a simulator in the place of the providers. */
export interface TestServer extends AsyncDisposable {
  url: string;
  app: App;
  /** That of every process; more than one only with LATCHKEY_TEST_SERVERS. */
  apps: readonly App[];
  simulator: Simulator;
  /** Signs up a new person. */
  signUp(name?: string): Promise<Person>;
  /** What a signal does before the server is closed. Resolves when its answers have ended and its clients have moved. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  database?: OpenDatabase;
  simulator?: Simulator;
  /** Without it nothing is limited, since tests are many people on one address. */
  attempts?: Config['attempts'];
  recheckEveryMs?: number;
  /** For a server that shares its database with others. */
  fleet?: Pick<AppOptions, 'isShared' | 'times' | 'bus'>;
  /** Without it passwords are hashed so fast that a thousand sign-ups cost seconds, not minutes. */
  hashes?: PasswordHashes;
  bodyTimeoutMs?: number;
}

/**
 * Starts a server. With LATCHKEY_TEST_SERVERS=2 it is so many that share the database, and each connection to its URL goes to the other
 * one than the last: every test then is one of several servers too.
 */
export async function startTestServer(
  env: Readonly<Record<string, string>> = {},
  options: TestServerOptions = {},
): Promise<TestServer> {
  return SERVERS > 1 && options.fleet === undefined
    ? await startSeveral(env, options)
    : await startOne(env, options);
}

/** Tells every process of a server that these ids have changed. */
export function announceEverywhere({ apps }: TestServer, topic: string, ids: readonly string[]): void {
  for (const { changes } of apps) changes.receive(topic, ids);
}

/** How many servers a test runs on. */
export const SERVERS = Number(process.env.LATCHKEY_TEST_SERVERS ?? 1);

/** What connects several servers: memory, Redis, or nothing but the database. */
const BUS = process.env.LATCHKEY_TEST_BUS ?? 'memory';

/** How many times as fast as elsewhere servers look at each other that nothing connects; with 1 the suite takes hours. */
const FACTOR = Number(process.env.LATCHKEY_TEST_FACTOR ?? 5);

/** Whether servers hear of each other at once. */
export const IS_CARRIED = SERVERS === 1 || BUS !== 'off';

/** How long it takes at most until a right that was taken away is gone on all servers. */
export const REVOKED_WITHIN_MS = IS_CARRIED ? 1_000 : 12_000;

async function startSeveral(
  env: Readonly<Record<string, string>>,
  options: TestServerOptions,
): Promise<TestServer> {
  const balancer = await startBalancer();
  const simulator = options.simulator ?? (await startSimulator({ paceMs: 0 }));
  const fleet = startBus();
  // Servers with other secrets do not run beside these.
  const hasOwnSecrets = Object.keys(env).some((name) => /_(SECRET|KEY)(_FILE)?$/.test(name));
  const isAlone = hasOwnSecrets || BUS === 'redis';
  const opened = options.database ?? (await (isAlone ? freshDatabase() : sharedDatabase()));
  // All databases of a run are copies of one, and what one test counts in Redis is none of another's business.
  if (BUS === 'redis') await opened.db.update(settings).set({ installationId: crypto.randomUUID() });
  const database = { ...opened, close: async () => {} };
  const servers: TestServer[] = [];
  const shared = { LATCHKEY_DATA_DIR: newDataDir(), LATCHKEY_AUTH_SECRET: TEST_AUTH_SECRET };
  for (let count = 0; count < SERVERS; count++)
    servers.push(
      await startOne(
        { LATCHKEY_PUBLIC_URL: balancer.url, ...shared, ...REDIS, ...env },
        { ...options, simulator, database, fleet: fleet() },
      ),
    );
  const [first] = servers as [TestServer];
  balancer.targets = servers.map(({ url }) => url);
  async function close(): Promise<void> {
    await Promise.all(servers.map((server) => server.close()));
    await balancer.close();
    await opened.close(); // does nothing to the shared one
    if (options.simulator === undefined) await simulator.close();
  }
  const { url } = balancer;
  return {
    ...first,
    apps: servers.map(({ app }) => app),
    url,
    signUp: (name) => signUp(url, name),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The database is opened already, but a Redis without one is refused. */
const REDIS: Record<string, string> =
  BUS === 'redis' ? { REDIS_URL: inject('redisUrl') ?? '', DATABASE_URL: 'postgres://127.0.0.1/opened' } : {};

/** Gives a function with the options of one more server. */
function startBus(): () => Pick<AppOptions, 'isShared' | 'bus' | 'times'> {
  if (BUS === 'redis') return () => ({ isShared: true });
  if (BUS === 'off') return () => ({ isShared: true, bus: NO_BUS, times: faster(FACTOR) });
  const hub = startMemoryBus();
  return () => ({ isShared: true, bus: hub.join() });
}

async function startOne(
  env: Readonly<Record<string, string>>,
  options: TestServerOptions,
): Promise<TestServer> {
  const simulator = options.simulator ?? (await startSimulator({ paceMs: 0 }));
  const { CUSTOM, ...urls } = simulator.baseUrls;
  const read = readConfig({
    PORT: '0',
    LATCHKEY_DATA_DIR: newDataDir(),
    LATCHKEY_PROVIDER_URLS: JSON.stringify(urls),
    LATCHKEY_ALLOWED_PRIVATE_HOSTS: new URL(CUSTOM).host,
    LATCHKEY_ROOT_KEY: TEST_ROOT_KEY,
    // Tests are few people who do a lot.
    LATCHKEY_OPERATIONS_PER_SECOND: '100000',
    LATCHKEY_OPERATION_BURST: '100000',
    ...env,
  });
  const config = { ...read, attempts: options.attempts ?? { ...read.attempts, ...UNLIMITED } };
  const database = options.database ?? (await sharedDatabase());
  const app = await openApp(config, () => {}, {
    database,
    recheckEveryMs: options.recheckEveryMs ?? NEVER_MS,
    ...options.fleet,
  });
  const { hashes = fastHashes(), bodyTimeoutMs } = options;
  const server = await startServer(app, config, { hashes, bodyTimeoutMs });
  async function close(): Promise<void> {
    await server.close();
    await app.close();
    if (options.simulator === undefined) await simulator.close();
  }
  return {
    url: server.url,
    app,
    apps: [app],
    simulator,
    signUp: (name) => signUp(server.url, name),
    async drain() {
      server.drain();
      const { signal } = new AbortController();
      const moved = options.fleet?.isShared === true && server.moveClients(DRAIN_MS, signal);
      await Promise.all([app.drain(signal), moved]);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const DRAIN_MS = 120_000; // that of a server among several with no settings

/** The limits of a server with no settings. */
export const DEFAULT_ATTEMPTS = readConfig({}).attempts;

const UNLIMITED = {
  signInsPerAccount: Number.POSITIVE_INFINITY,
  signInsPerAddress: Number.POSITIVE_INFINITY,
  signUpsPerAddress: Number.POSITIVE_INFINITY,
  mailsPerAccount: Number.POSITIVE_INFINITY,
  mailsPerAddress: Number.POSITIVE_INFINITY,
};

function fastHashes(): PasswordHashes {
  const hash = async (password: string) => createHash('sha256').update(password).digest('hex');
  return new PasswordHashes({
    hash,
    verify: async (attempt) => (await hash(attempt.password)) === attempt.hash,
  });
}

function newDataDir(): string {
  return mkdtempSync(join(tmpdir(), 'latchkey-data-'));
}

/** The keys of other tests in the same database are none of this server's business. */
const NEVER_MS = 2 ** 31 - 1;

/** Random, and the same for all servers of a run, since they share a database. */
const TEST_ROOT_KEY = 'p0v0sGJYkTbT1wJq7k3n8m2cX4yZ5aB6dE9fH0iLuNw=';
const TEST_AUTH_SECRET = 'Zx8Lq2Vd0aFhB7nPcT3rWmK5sYj9GuE1oXiQ4tRv6Nk=';
