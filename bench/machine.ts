import { existsSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readVersion } from './servers/postgres.ts';
import { readRedisVersion } from './servers/redis.ts';

/** What a result depends on beside the code: pairs of a name and what it is here. */
export async function describeMachine(): Promise<[string, string][]> {
  const model = cpus()[0]?.model.trim() ?? 'unknown';
  return [
    ['CPU', `${model}, ${availableParallelism()} cores`],
    ['Memory', `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['Kernel', `${platform()} ${release()}, ${arch()}`],
    [
      'Load before',
      `${loadavg()[0]?.toFixed(1)} processes that ran or waited for a CPU in the minute before`,
    ],
    ['Node', process.version],
    ['PostgreSQL', (await readVersion()) ?? 'none'],
    ['Redis', readRedisVersion() ?? 'none'],
    ...PACKAGES.map((name): [string, string] => [name, versionOf(name)]),
  ];
}

const PACKAGES = [
  '@electric-sql/pglite',
  'ws',
  'graphql',
  'graphql-yoga',
  'graphql-ws',
  'ai',
  '@ai-sdk/openai-compatible',
];

/** Those that other contenders need are in the benchmark's own folder. */
function versionOf(name: string): string {
  for (const folder of ['.', '..']) {
    const file = join(fileURLToPath(new URL(folder, import.meta.url)), 'node_modules', name, 'package.json');
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return 'not installed';
}
