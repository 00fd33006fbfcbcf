import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { inject, onTestFinished } from 'vitest';

/** The command line as a process of its own, with no setting but those given. */
export interface CommandProcess {
  process: ChildProcess;
  /** Resolves with the first line of standard output that matches, rejects if the process ends without one. */
  line(pattern: RegExp): Promise<string>;
  /** Everything said until the process has ended, and how it ended. */
  ended: Promise<CommandResult>;
}

export interface CommandResult {
  exitCode: number | null;
  out: string;
  error: string;
}

/**
 * Starts `node src/main.ts …`, or another script. It lives no longer than the test; one that runs beside others says itself when it
 * is over.
 */
export function startCommand(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
  whenOver: (end: () => void) => void = onTestFinished,
  /** The file that is run: a test may have made an altered program. */
  script: string = join(PROGRAM_FOLDER, MAIN),
): CommandProcess {
  // What one process compiled the next one need not: that is half of what its imports cost.
  const always = { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: inject('compileCache') };
  const child = spawn(process.execPath, [script, ...words], { env: { ...always, ...env } });
  whenOver(() => void child.kill('SIGKILL')); // a test that fails half-way leaves no server behind
  child.stdin.end(input);
  const lines: string[] = [];
  const arrived = new EventTarget();
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(text);
    arrived.dispatchEvent(new Event('line'));
  });
  let error = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    error += text;
  });
  const ended = once(child, 'close').then(() => {
    arrived.dispatchEvent(new Event('line'));
    return { exitCode: child.exitCode, out: lines.join('\n'), error: error.trim() };
  });
  return {
    process: child,
    ended,
    async line(pattern) {
      for (;;) {
        const found = lines.find((text) => pattern.test(text));
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`It ended with ${child.exitCode}: ${error}`);
        await once(arrived, 'line');
      }
    },
  };
}

/** The program under test. */
export const PROGRAM_FOLDER = new URL('../..', import.meta.url).pathname;

/** Where a program begins, in its folder. */
export const MAIN = 'src/main.ts';

/** Runs `node src/main.ts …` to its end. */
export async function runCommand(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<CommandResult> {
  return await startCommand(words, env, input).ended;
}

/** A data folder in which no server has run yet. Its database is a copy, since making one takes seconds. */
export async function newDataFolder(): Promise<string> {
  prepared ??= prepareDataFolder();
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-command-'));
  cpSync(await prepared, folder, { recursive: true }); // a thousand small files: `cp` takes three times as long
  return folder;
}

let prepared: Promise<string> | undefined;

async function prepareDataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-command-'));
  const { exitCode, error } = await runCommand(['migrate'], { LATCHKEY_DATA_DIR: folder });
  if (exitCode !== 0) throw new Error(error);
  return folder;
}

/** Starts `serve` and resolves with its URL once it is ready. */
export async function startServe(
  env: Readonly<Record<string, string>>,
): Promise<{ url: string; stop(): Promise<CommandResult> }> {
  const command = startCommand(['serve'], { PORT: '0', ...env });
  const ready = JSON.parse(await command.line(/Latchkey is ready/)) as { url: string };
  return {
    url: ready.url,
    async stop() {
      command.process.kill('SIGTERM');
      return await command.ended;
    },
  };
}
