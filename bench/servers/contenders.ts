import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cleanup } from '../cleanup.ts';
import type { LatchkeyTarget, Target } from '../clients/target.ts';
import type { Options } from '../options.ts';
import { startHelper } from '../process/helper.ts';
import { inventSecret, type LatchkeyHome, startLatchkey } from './latchkey.ts';
import type { ServerCalls } from './listen.ts';
import { signPeopleUp } from './people.ts';
import { createBenchDatabase } from './postgres.ts';
import { seedThreads } from './seed.ts';

/** A server that is measured. */
export interface Contender<Where extends Target = Target> {
  server: string;
  /** The database behind it; empty for servers that have none. */
  engine: string;
  pid: number;
  target: Where;
  /** Name of its database on PostgreSQL. */
  database?: string;
  openInspector(): Promise<string>;
}

/** The server that the others are compared with. */
export const BASELINE = 'raw ws';
/** What this checkout's own servers are called in the table. */
export const LATCHKEY = 'Latchkey';

/** Whether it can be asked what only Latchkey can. */
export function isLatchkey(contender: Contender): contender is Contender<LatchkeyTarget> {
  return contender.target.kind === 'latchkey';
}

export function isRawSocket({ target }: Contender): boolean {
  return target.kind === 'raw-ws';
}

const BENCH = fileURLToPath(new URL('..', import.meta.url));

/** Contenders whose packages are installed in the benchmark's own folder. */
const PEERS = ['stock-yoga', 'ai-sdk'] as const;
const PLAIN = ['http-pipe', 'raw-ws', ...PEERS] as const;
const TITLES = {
  'http-pipe': 'node:http pipe',
  'raw-ws': BASELINE,
  'stock-yoga': 'stock Yoga',
  'ai-sdk': 'AI SDK',
} as const;

/** Whether the packages of the other contenders are there. */
export function arePeersInstalled(): boolean {
  return ['ai', 'graphql-yoga'].every((name) =>
    existsSync(join(BENCH, 'node_modules', name, 'package.json')),
  );
}

/** What a contender is started with. */
export interface Setting {
  options: Options;
  providerUrl: string;
  cleanup: Cleanup;
  nodeFlags: readonly string[];
}

/** Starts a server that is not Latchkey. */
export async function startPlain(
  { providerUrl, cleanup, nodeFlags }: Setting,
  kind: (typeof PLAIN)[number],
): Promise<Contender> {
  const helper = startHelper<ServerCalls>(`../servers/${kind}.ts`, [providerUrl], nodeFlags);
  cleanup.add(helper.stop);
  return {
    server: TITLES[kind],
    engine: '',
    pid: helper.pid,
    target: { kind, url: await helper.call('url', {}) },
    openInspector: () => helper.call('openInspector', {}),
  };
}

/** Starts every server that is not Latchkey and can be. */
export async function startAllPlain(setting: Setting): Promise<Contender[]> {
  const kinds = PLAIN.filter((kind) => arePeersInstalled() || !PEERS.some((peer) => peer === kind));
  return await Promise.all(kinds.map((kind) => startPlain(setting, kind)));
}

/** Where each Latchkey of this run lives: on both engines, this checkout and the one it is compared with. */
export async function createHomes({
  options,
  providerUrl,
  cleanup,
}: Setting): Promise<(Pick<Contender, 'server' | 'engine' | 'database'> & { home: LatchkeyHome })[]> {
  const homes = [];
  const checkouts = [{ server: LATCHKEY, checkout: join(BENCH, '..') }];
  if (options.against !== undefined) checkouts.push({ server: options.against, checkout: options.against });
  for (const { server, checkout } of checkouts)
    for (const engine of ['PGlite', 'PostgreSQL'] as const) {
      const database = engine === 'PostgreSQL' ? await createBenchDatabase() : undefined;
      if (engine === 'PostgreSQL' && database === undefined) continue;
      if (database !== undefined) cleanup.add(database.drop);
      const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
      cleanup.add(() => rmSync(dataDir, { recursive: true }));
      const secrets = { root: inventSecret(), auth: inventSecret() };
      const home = { checkout, dataDir, databaseUrl: database?.url, providerUrl, secrets };
      homes.push({ server, engine, home, ...(database !== undefined && { database: database.name }) });
    }
  return homes;
}

/** Starts Latchkey on both engines, with people who have signed up. */
export async function startLatchkeys(setting: Setting, count = PEOPLE): Promise<Contender<LatchkeyTarget>[]> {
  const homes = await createHomes(setting);
  return await Promise.all(
    homes.map(async ({ home, ...named }) => {
      const { pid, url, openInspector, stop } = await startLatchkey(home, setting.nodeFlags);
      setting.cleanup.add(stop);
      const people = await signPeopleUp(url, home.providerUrl, count);
      return { ...named, pid, openInspector, target: { kind: 'latchkey', url, ...people } };
    }),
  );
}

/** Starts Latchkey on both engines, where the workspace that people share has so many threads. */
export async function startSeeded(setting: Setting, threads: number): Promise<Contender<LatchkeyTarget>[]> {
  const homes = await createHomes(setting);
  return await Promise.all(
    homes.map(async ({ home, ...named }) => {
      const first = await startLatchkey(home);
      const people = await signPeopleUp(first.url, home.providerUrl, PEOPLE).finally(first.stop);
      await seedThreads(home, people.shared.workspaceId, threads);
      const { pid, url, openInspector, stop } = await startLatchkey(home, setting.nodeFlags);
      setting.cleanup.add(stop);
      return { ...named, pid, openInspector, target: { kind: 'latchkey' as const, url, ...people } };
    }),
  );
}

const PEOPLE = 20; // so that a hundred answers at once are few for each of them
