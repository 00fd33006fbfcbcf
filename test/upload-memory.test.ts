import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { announce, type CreateResult, put } from './kit/attachment.ts';
import { eventually } from './kit/eventually.ts';
import { FILE_PLACES } from './kit/file-place.ts';
import { signUp } from './kit/person.ts';
import { newPlace, type ServerProcess, startServerProcess } from './kit/process.ts';
import { say } from './kit/say.ts';

const MIB = 2 ** 20;
const FILE_BYTES = 20 * MIB;

/** Of the process of a server, where the system tells. */
function residentMiB(pid: number | undefined): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return (pages * 4_096) / MIB;
}

/** How late the event loop of the server was since it was last asked, in milliseconds. */
async function loopDelays(server: ServerProcess, file: string): Promise<{ p99: number; longest: number }> {
  await rm(file, { force: true });
  server.process.kill('SIGUSR2');
  const text = await eventually('delays', () => readFile(file, 'utf8').catch(() => null), 30_000);
  return JSON.parse(text);
}

/** The same piece again and again, which is no text, so that no reader holds it. */
function fileOf(bytes: number): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(64 * 1024).fill(0xff);
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      controller.enqueue(piece.subarray(0, Math.min(left, piece.length)));
      left -= Math.min(left, piece.length);
    },
  });
}

test.runIf(existsSync('/proc/self/statm')).each([
  [20, 'a folder'],
  [10, 'a bucket'], // which this process holds in memory
] as const)(
  '%i uploads of twenty mebibytes at once to %s take little memory',
  { timeout: 240_000 },
  async (uploads, title) => {
    const database = await newPlace();
    await using place = await FILE_PLACES[title](database.LATCHKEY_DATA_DIR);
    const delayFile = join(await mkdtemp(join(tmpdir(), 'latchkey-loop-')), 'delay.json');
    const server = await startServerProcess({
      ...place.env,
      ...database,
      NODE_OPTIONS: `--import=${fileURLToPath(new URL('./fixtures/loop-delay.ts', import.meta.url))}`,
      LOOP_DELAY_FILE: delayFile,
      LATCHKEY_MAX_UPLOADS_PER_PERSON: String(uploads),
    });
    const ada = await signUp(server.url);
    const send = async ({ upload }: CreateResult) => {
      const sized = { ...upload, headers: [{ name: 'content-length', value: String(FILE_BYTES) }] };
      return (await put(sized, fileOf(FILE_BYTES))).status;
    };
    const atStart = residentMiB(server.process.pid);
    expect(await send(await announce(ada, FILE_BYTES))).toBe(204);
    const announced: CreateResult[] = [];
    while (announced.length < uploads) announced.push(await announce(ada, FILE_BYTES));
    await loopDelays(server, delayFile);
    const before = residentMiB(server.process.pid);
    let most = before;
    const watch = setInterval(() => {
      most = Math.max(most, residentMiB(server.process.pid));
    }, 20);
    const beganAtMs = performance.now();
    const statuses = await Promise.all(announced.map(send)).finally(() => clearInterval(watch));
    const seconds = (performance.now() - beganAtMs) / 1_000;
    const { p99, longest } = await loopDelays(server, delayFile);
    expect(new Set(statuses)).toEqual(new Set([204]));
    say(
      `${uploads} uploads of 20 MiB at once to ${title}: ${seconds.toFixed(1)} s, resident memory ${Math.round(atStart)} MiB at the start, ` +
        `${Math.round(before)} MiB after one, ${Math.round(most)} MiB at most (+${Math.round(most - before)}); ` +
        `the event loop was late by ${p99} ms (p99), ${longest} ms at most`,
    );
    expect(most - before).toBeLessThan(128); // 20 to 75 were seen: what was freed waits for the collector
    server.process.kill('SIGTERM');
    expect((await server.ended).exitCode).toBe(0);
  },
);
