import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { limitedPrinter, printErrorOutput } from '../process/error-output.ts';

export interface RunningLatchkey {
  pid: number;
  url: string;
  /** Resolves with where the inspector listens, which is opened from outside. */
  openInspector(): Promise<string>;
  stop(): Promise<void>;
}

/** What a server finds again when it is started another time. */
export interface LatchkeyHome {
  /** Folder of the sources. */
  checkout: string;
  dataDir: string;
  /** PostgreSQL server; undefined for the embedded database. */
  databaseUrl: string | undefined;
  /** What it shares the database with others through; a lone server without. */
  redisUrl?: string | undefined;
  providerUrl: string;
  secrets: { root: string; auth: string };
  /** Settings that are others than usual in the benchmark. */
  settings?: Readonly<Record<string, string>>;
}

/** Starts the real server as a process, as an operator would. `nodeFlags` are for `node`, e.g. `--cpu-prof`. */
export async function startLatchkey(
  home: LatchkeyHome,
  nodeFlags: readonly string[] = [],
): Promise<RunningLatchkey> {
  const child = spawn(
    process.execPath,
    ['--inspect-port=127.0.0.1:0', ...nodeFlags, 'src/main.ts', 'serve'],
    {
      cwd: home.checkout,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PORT: '0',
        LATCHKEY_DATA_DIR: home.dataDir,
        LATCHKEY_ALLOWED_PRIVATE_HOSTS: new URL(home.providerUrl).host,
        LATCHKEY_ROOT_KEY: home.secrets.root,
        LATCHKEY_AUTH_SECRET: home.secrets.auth,
        // A few people stand for many, so the limits of each must not be what is measured.
        LATCHKEY_MAX_SOCKETS_PER_PERSON: '1000',
        LATCHKEY_OPERATIONS_PER_SECOND: '10000',
        LATCHKEY_OPERATION_BURST: '20000',
        ...(home.databaseUrl !== undefined && { DATABASE_URL: home.databaseUrl }),
        ...(home.redisUrl !== undefined && { REDIS_URL: home.redisUrl }),
        ...home.settings,
      },
    },
  );
  const print = limitedPrinter();
  const inspector = Promise.withResolvers<string>();
  printErrorOutput(child.stderr, (line) => {
    const url = /^Debugger listening on (ws:\S+)/.exec(line)?.[1];
    if (url !== undefined) inspector.resolve(url);
  });
  async function openInspector(): Promise<string> {
    child.kill('SIGUSR1'); // Node opens it then, or says nothing if it is open already
    return await inspector.promise;
  }
  async function stop(): Promise<void> {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill()) await gone;
  }
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('exit', () => reject(new Error('Latchkey did not start')));
      createInterface(child.stdout).on('line', (line) => {
        const entry = JSON.parse(line) as { level: number; msg: string; url?: string; path?: string };
        if (entry.url !== undefined) resolve(entry.url);
        // A load balancer goes on asking a server that is being stopped whether it is ready.
        else if (entry.level > INFO && entry.path !== '/health/ready') print(line);
      });
    });
    return { pid: child.pid ?? 0, url, openInspector, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const INFO = 30; // pino's number

/** A new secret for a home. */
export function inventSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');
}
