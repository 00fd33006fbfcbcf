import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { newPlace, startServerProcess } from './kit/process.ts';

const PROCESS_TIMEOUT_MS = 60_000;

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s ends a server in order, with exit code 0',
  async (signal) => {
    const server = await startServerProcess(await newPlace());
    server.process.kill(signal);
    const { exitCode, out, error } = await server.ended;
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
    expect(out).toContain('Latchkey has stopped');
  },
  PROCESS_TIMEOUT_MS,
);

describe('npm start', () => {
  test(
    'passes SIGTERM on: the server ends in order, and before npm does',
    async () => {
      const { npm, line, closed } = await startByNpm();
      await line(/Latchkey is ready/);
      npm.kill('SIGTERM');
      await line(/Latchkey has stopped/);
      await closed; // npm has ended, and no other process has its output open
      expect(npm.exitCode).toBe(0);
    },
    PROCESS_TIMEOUT_MS,
  );

  test(
    'ends in order too when the signal reaches the whole process group, as from a terminal',
    async () => {
      const { npm, line, closed } = await startByNpm();
      await line(/Latchkey is ready/);
      process.kill(-(npm.pid ?? 0), 'SIGTERM');
      await line(/Latchkey has stopped/);
      await closed;
    },
    PROCESS_TIMEOUT_MS,
  );
});

describe('the unit file for systemd', () => {
  const unit = readFileSync('deploy/latchkey.service', 'utf8');

  test('the unit file for systemd starts node itself, waits for answers to be saved and does not start again after exit code 78', () => {
    expect(unit).toMatch(/^ExecStart=\S+\/node src\/main\.ts serve$/m);
    expect(unit).toMatch(/^KillSignal=SIGTERM$/m);
    const { drainMs } = readConfig({
      DATABASE_URL: 'postgres://127.0.0.1/latchkey',
      REDIS_URL: 'redis://127.0.0.1',
    });
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(drainMs / 1_000 + 10);
    expect(unit).toMatch(/^Restart=on-failure$/m);
    expect(unit).toMatch(/^RestartPreventExitStatus=78$/m);
  });

  test.runIf(spawnSync('systemd-analyze', ['--version']).status === 0)(
    'the unit file for systemd is one that systemd accepts',
    () => {
      // It names a node and a folder that this machine need not have; everything else is as it is shipped.
      const verified = spawnSync('systemd-analyze', ['verify', '--man=no', 'deploy/latchkey.service'], {
        encoding: 'utf8',
      });
      const complaints = verified.stderr
        .split('\n')
        .filter((complaint) => complaint.includes('latchkey.service') && !/not executable/.test(complaint));
      expect(complaints).toEqual([]);
    },
  );
});

/** Runs `npm start` with a process group of its own. Nothing of it outlives the test. */
async function startByNpm() {
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: process.env.HOME ?? '',
    PORT: '0',
    ...(await newPlace()),
  };
  const npm = spawn('npm', ['start'], { env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => {
    try {
      process.kill(-(npm.pid ?? 0), 'SIGKILL');
    } catch {} // all of it has ended
  });
  const closed = once(npm, 'close');
  const lines = createInterface({ input: npm.stdout });
  const seen: string[] = [];
  lines.on('line', (text) => seen.push(text));
  return {
    npm,
    closed,
    async line(pattern: RegExp): Promise<void> {
      while (!seen.some((text) => pattern.test(text))) await once(lines, 'line');
    },
  };
}
