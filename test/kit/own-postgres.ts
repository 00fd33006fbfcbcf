import { execFile, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

/** A PostgreSQL of a test's own, which it may restart. */
export interface OwnPostgres extends AsyncDisposable {
  /** An empty database. */
  url: string;
  /** Stops it as a crash does, and starts it again. */
  crash(): Promise<void>;
}

const ALL_VERSIONS = '/usr/lib/postgresql';
const binaries = existsSync(ALL_VERSIONS)
  ? readdirSync(ALL_VERSIONS)
      .map((version) => join(ALL_VERSIONS, version, 'bin'))
      .find((folder) => existsSync(join(folder, 'initdb')))
  : undefined;
const isRoot = process.getuid?.() === 0;

/** Whether this machine can start one. As root that is possible only for another user: PostgreSQL refuses to run as root. */
export const canStartPostgres =
  binaries !== undefined && (!isRoot || spawnSync('id', ['-u', 'postgres']).status === 0);

export async function startPostgres(): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-postgres-'));
  if (isRoot) chownSync(folder, idOf('-u'), idOf('-g'));
  const data = join(folder, 'data');
  const port = await freePort();
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${folder} -c fsync=off`;
  const start = ['start', '-w', '-D', data, '-o', options, '-l', join(folder, 'log')];
  await run('initdb', ['-D', data, '-U', 'latchkey', '-A', 'trust', '--no-sync']);
  await run('pg_ctl', start);
  return {
    url: `postgres://latchkey@127.0.0.1:${port}/postgres`,
    async crash() {
      await run('pg_ctl', ['stop', '-m', 'immediate', '-D', data]);
      await run('pg_ctl', start);
    },
    async [Symbol.asyncDispose]() {
      await run('pg_ctl', ['stop', '-m', 'immediate', '-D', data]);
      await rm(folder, { recursive: true });
    },
  };
}

async function run(program: string, words: readonly string[]): Promise<void> {
  const command = [join(binaries ?? '', program), ...words];
  const [file = '', ...rest] = isRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command;
  await promisify(execFile)(file, rest, { cwd: '/' });
}

function idOf(which: '-u' | '-g'): number {
  return Number(spawnSync('id', [which, 'postgres'], { encoding: 'utf8' }).stdout);
}
