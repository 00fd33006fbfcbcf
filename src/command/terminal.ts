import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Tells the person at the terminal. Control characters are left out: names from the database could steer the terminal. */
export function say(sentence: string): void {
  print(`${printable(sentence)}\n`);
}

/** Prints a text as it is. */
export function print(text: string): void {
  process.stdout.write(text, (error) => {
    hasLost ||= error != null;
  });
}

/** Tells the person at the terminal what is wrong. */
export function printError(sentence: string): void {
  process.stderr.write(`${printable(sentence)}\n`);
}

/** Whether something that was printed was lost, such as on a full disk. Known when the process ends. */
export function hasLostOutput(): boolean {
  return hasLost;
}

let hasLost = false;
// Without listeners a full disk, or a reader that has left, would end the process.
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
 * Resolves when the process is told to stop. From then on a second signal ends it at once. On Ctrl-C npm passes the signal on
 * to a process that the terminal has told already, so what follows within a second is the same wish.
 */
export async function shutdownSignal(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let toldAtMs: number | undefined;
  function stop(): void {
    if (toldAtMs !== undefined && performance.now() - toldAtMs > 1_000) process.exit(1);
    toldAtMs ??= performance.now();
    resolve();
  }
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', stop); // of a terminal that is closed
  await promise;
}

function printable(sentence: string): string {
  return sentence.replace(/\p{Cc}/gu, '');
}
