import { mkdir, mkdtemp, readdir, symlink } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newDataFolder, runCommand, startCommand } from './kit/command.ts';

/** Several processes start one after the other, and each takes seconds on a busy machine. */
const TEST_TIMEOUT_MS = 60_000;

describe('one Latchkey in one data folder', { timeout: TEST_TIMEOUT_MS }, () => {
  function start(dataDir: string) {
    return startCommand(['serve'], { PORT: '0', LATCHKEY_DATA_DIR: dataDir });
  }

  async function startReady(dataDir: string) {
    const server = start(dataDir);
    const { url } = JSON.parse(await server.line(/Latchkey is ready/)) as { url: string };
    return { ...server, url };
  }

  /** The refusal of every other process. */
  function refusal(dataDir: string, holderPid: number | undefined) {
    const holder = `latchkey on ${hostname()}, process ${holderPid}, since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z`;
    const sentence = `^Another Latchkey is using the data folder ${dataDir}: ${holder}\\. Stop it first, or set LATCHKEY_DATA_DIR\\.$`;
    return { exitCode: 78, out: '', error: expect.stringMatching(sentence) };
  }

  test('every other process is refused with the name of the first, and can start once that has stopped', async () => {
    const dataDir = await newDataFolder();
    const server = await startReady(dataDir);
    expect(await runCommand(['keys', 'verify'], { LATCHKEY_DATA_DIR: dataDir })).toEqual(
      refusal(dataDir, server.process.pid),
    );
    const sameFolder = `${dataDir}-link`;
    await symlink(dataDir, sameFolder);
    expect(await start(sameFolder).ended).toEqual(refusal(sameFolder, server.process.pid));
    server.process.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ exitCode: 0 });
    expect(await runCommand(['keys', 'verify'], { LATCHKEY_DATA_DIR: dataDir })).toMatchObject({
      exitCode: 0,
    });
  });

  test('of five that start together where one was killed, one gets the folder and the others hear its name', async () => {
    const dataDir = await newDataFolder();
    const killed = await startReady(dataDir);
    killed.process.kill('SIGKILL');
    await killed.ended;

    const servers = Array.from({ length: 5 }, () => start(dataDir));
    const { pid } = (
      await Promise.any(servers.map((server) => server.line(/Latchkey is ready/).then(() => server)))
    ).process;
    const others = servers.filter((server) => server.process.pid !== pid);
    for (const other of others) expect(await other.ended).toEqual(refusal(dataDir, pid));
  });

  test('a suspended server keeps its data folder, and serves again when it is resumed', async () => {
    const dataDir = await newDataFolder();
    const server = await startReady(dataDir);
    server.process.kill('SIGSTOP');
    expect(await start(dataDir).ended).toEqual(refusal(dataDir, server.process.pid));
    server.process.kill('SIGCONT');
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
  });

  test('a folder that cannot be held is left alone', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-hold-'));
    await mkdir(join(dataDir, 'latchkey.lock'));
    const { exitCode, error } = await start(dataDir).ended;
    expect(exitCode).toBe(78);
    expect(error).toContain(`The data folder ${dataDir} cannot be locked`);
    expect(await readdir(dataDir)).toEqual(['latchkey.lock']);
  });
});
