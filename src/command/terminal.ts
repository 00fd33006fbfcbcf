import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Prints a line on standard output. Control characters are left out: names from the database could control the terminal. */
export function printLine(sentence: string): void {
  print(`${printable(sentence)}\n`);
}

/** Prints a text unchanged on standard output. */
export function print(text: string): void {
  process.stdout.write(text, (error) => {
    hasLost ||= error != null;
  });
}

/** Prints a line on standard error. */
export function printError(sentence: string): void {
  process.stderr.write(`${printable(sentence)}\n`);
}

/** Whether output was lost, such as on a full disk. Known for certain only when the process ends. */
export function hasLostOutput(): boolean {
  return hasLost;
}

let hasLost = false;
// Without listeners a full disk or a closed pipe would end the process.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

/** Reads a secret from standard input: all of it, or one line that is not shown while it is typed on a terminal. */
export async function readPassword(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '');
  process.stderr.write(prompt);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await new Promise<string>((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

/**
 * Resolves at the first signal to stop. From then on a second signal ends the process at once. On Ctrl-C npm forwards the
 * signal to a process that has received it from the terminal already, so another one within a second counts as the same.
 */
export async function shutdownSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let firstSignalAtMs: number | undefined;
  function stop(): void {
    if (firstSignalAtMs !== undefined && performance.now() - firstSignalAtMs > 1_000) {
      if (onSecondSignal === undefined) process.exit(1);
      onSecondSignal();
      onSecondSignal = undefined;
    }
    firstSignalAtMs ??= performance.now();
    resolve();
  }
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', stop); // sent when the terminal is closed
  await promise;
}

/** Does this at the second signal, instead of ending the process. */
export function atSecondSignal(handle: () => void): void {
  onSecondSignal = handle;
}

let onSecondSignal: (() => void) | undefined;

function printable(sentence: string): string {
  return sentence.replace(/\p{Cc}/gu, '');
}
