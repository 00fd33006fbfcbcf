import { inject } from 'vitest';
import { type CommandProcess, startCommand } from './command.ts';
import { createMigratedDatabase } from './database.ts';
import { type DatabaseProxy, startDatabaseProxy } from './database-proxy.ts';
import { through } from './fleet.ts';
import { freePort } from './free-port.ts';
import { type NamedModel, type Person, signUp } from './person.ts';
import { SECRETS } from './process.ts';
import { type OwnRedis, startRedis } from './redis.ts';
import { say } from './say.ts';
import { startTickingProvider, type TickingProvider } from './ticking-provider.ts';

/** A server that is a process of its own beside others, with ways to PostgreSQL and to Redis that a test can break. */
export interface FleetProcess extends CommandProcess {
  url: string;
  /** What names it in its row of `servers`. */
  name: string;
  database: DatabaseProxy;
  redis: DatabaseProxy;
  /** Kills it and starts another one in its place, with the same URL. */
  restart(): Promise<void>;
  kill(): Promise<void>;
}

/** Several servers on one new database and one new Redis. */
export interface ProcessFleet extends AsyncDisposable {
  servers: [FleetProcess, FleetProcess, FleetProcess];
  /** Without a proxy. */
  databaseUrl: string;
  redis: OwnRedis;
  provider: TickingProvider;
  models: NamedModel[];
  /** The same person at each of the servers. */
  personAt(server: FleetProcess): Promise<Person>;
  /** Starts the Redis again that was killed. */
  restartRedis(): Promise<void>;
}

export const TICKING_MODELS = ['ticking', 'tocking'] as const;

/** Starts three servers. `factor` is how much shorter their times are than true ones. */
export async function startProcessFleet({
  factor,
  databaseUrl,
  whenOver,
  paceMs = 20,
}: {
  factor: number;
  databaseUrl?: string;
  whenOver: (end: () => void) => void;
  paceMs?: number;
}): Promise<ProcessFleet> {
  const url = databaseUrl ?? (await createMigratedDatabase(inject('postgresUrl') ?? ''));
  const provider = await startTickingProvider(paceMs, TICKING_MODELS);
  let redis = await startRedis(undefined, whenOver);
  const start = (proxies: Pick<FleetProcess, 'database' | 'redis'>, port: number) => {
    const env = { ...GENEROUS, LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host, PORT: String(port) };
    return startProcess(env, factor, proxies, whenOver);
  };
  const warnings = new Map<string, number>();
  const servers = await Promise.all(
    [1, 2, 3].map(async () => {
      const proxies = { database: await startDatabaseProxy(url), redis: await startDatabaseProxy(redis.url) };
      const port = await freePort();
      const server: FleetProcess = {
        ...(await start(proxies, port)),
        ...proxies,
        async kill() {
          server.process.kill('SIGKILL');
          countWarnings((await server.ended).out, warnings);
        },
        async restart() {
          if (server.process.exitCode === null && server.process.signalCode === null) await server.kill();
          Object.assign(server, await start(proxies, port));
        },
      };
      return server;
    }),
  );
  const [first] = servers;
  const ada = await signUp(first?.url ?? '');
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  return {
    servers: servers as unknown as ProcessFleet['servers'],
    databaseUrl: url,
    get redis() {
      return redis;
    },
    provider,
    models: models.filter(({ name }) => TICKING_MODELS.some((each) => each === name)),
    personAt: (server) => through(server, ada),
    async restartRedis() {
      redis = await startRedis(Number(new URL(redis.url).port), whenOver);
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server.kill();
      for (const [text, count] of warnings) say(`logged ${count} times: ${text}`);
      for (const { database, redis: way } of servers) await Promise.all([database, way].map(disposed));
      redis.process.kill('SIGKILL');
      await provider[Symbol.asyncDispose]();
    },
  };
}

async function startProcess(
  env: Readonly<Record<string, string>>,
  factor: number,
  { database, redis }: Pick<FleetProcess, 'database' | 'redis'>,
  whenOver: (end: () => void) => void,
): Promise<CommandProcess & { url: string; name: string }> {
  const command = startCommand(
    [String(factor)],
    { ...SECRETS, DATABASE_URL: database.url, REDIS_URL: redis.url, ...env },
    '',
    whenOver,
    SERVE_FASTER,
  );
  const ready = JSON.parse(await command.line(/Latchkey is ready/)) as { url: string };
  void command.ended.then(({ exitCode, out, error }) => {
    if (exitCode !== null) say(`a server ended with ${exitCode}: ${out.slice(-2_000)} ${error}`);
  });
  return { ...command, url: ready.url, name: `process ${command.process.pid}` };
}

/** Counts the lines of a log by what they say, without those that only inform. */
function countWarnings(out: string, warnings: Map<string, number>): void {
  for (const line of out.split('\n')) {
    const {
      level,
      msg,
      failure = '',
      code = '',
    } = line.startsWith('{') ? JSON.parse(line) : { level: WARN, msg: line };
    const text = `${level} ${msg} ${failure}${code}`;
    if (level >= WARN) warnings.set(text, (warnings.get(text) ?? 0) + 1);
  }
}

const WARN = 40; // in pino

async function disposed(proxy: DatabaseProxy): Promise<void> {
  await proxy[Symbol.asyncDispose]();
}

const SERVE_FASTER = new URL('./serve-faster.ts', import.meta.url).pathname;

/** One person is at many places at a time, and does a lot. */
const GENEROUS = {
  LATCHKEY_OPERATIONS_PER_SECOND: '100000',
  LATCHKEY_OPERATION_BURST: '100000',
  LATCHKEY_MAX_SUBSCRIPTIONS_PER_PERSON: '1000',
  LATCHKEY_MAX_SOCKETS_PER_PERSON: '1000',
};
