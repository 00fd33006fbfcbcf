import { fileURLToPath } from 'node:url';
import type { Cleanup } from './cleanup.ts';
import type { Target } from './follow.ts';
import { startHelper } from './helper.ts';
import { startLatchkey } from './latchkey.ts';
import type { Options } from './options.ts';
import { createBenchDatabase } from './postgres.ts';
import { BASELINE } from './report.ts';

/** A server that is measured. */
export interface Contender {
  server: string;
  /** The database behind it; empty for servers that have none. */
  engine: string;
  pid: number;
  target: Target;
}

/** What this checkout's own servers are called in the table. */
export const LATCHKEY = 'Latchkey';

/** Starts every server that is compared, all before anything is measured. */
export async function startContenders(
  options: Options,
  providerUrl: string,
  cleanup: Cleanup,
): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const [kind, server] of [
    ['http-pipe', 'node:http pipe'],
    ['raw-ws', BASELINE],
  ] as const) {
    const relay = startHelper(`${kind}.ts`, [providerUrl]);
    cleanup.add(relay.stop);
    const { url } = await relay.hear<{ url: string }>('listening');
    contenders.push({ server, engine: '', pid: relay.pid, target: { kind, url } });
  }
  const here = fileURLToPath(new URL('..', import.meta.url));
  const checkouts = [{ server: LATCHKEY, checkout: here }];
  if (options.against !== undefined) checkouts.push({ server: options.against, checkout: options.against });
  for (const { server, checkout } of checkouts)
    for (const engine of ['PGlite', 'PostgreSQL'] as const) {
      const database = engine === 'PostgreSQL' ? await createBenchDatabase() : undefined;
      if (engine === 'PostgreSQL' && database === undefined) continue;
      if (database !== undefined) cleanup.add(database.drop);
      const latchkey = await startLatchkey({
        checkout,
        databaseUrl: database?.url,
        providerUrl,
        people: Math.ceil(options.streams / ANSWERS_PER_PERSON),
        nodeFlags: options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`],
      });
      cleanup.add(latchkey.stop);
      const { pid, url, people } = latchkey;
      contenders.push({ server, engine, pid, target: { kind: 'latchkey', url, people } });
    }
  return contenders;
}

const ANSWERS_PER_PERSON = 16; // Latchkey writes no more at a time for anybody
