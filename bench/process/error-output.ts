import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Prints what a process writes to its error output, without what Node says there about an open inspector. */
export function printErrorOutput(stream: Readable, onLine: (line: string) => void = () => {}): void {
  const print = limitedPrinter();
  createInterface(stream).on('line', (line) => {
    onLine(line);
    if (!ABOUT_INSPECTOR.test(line)) print(line);
  });
}

const ABOUT_INSPECTOR = /^(Debugger (listening|ending|attached)|For help, see: )/;

/** Prints lines of one process; of a flood only the beginning, since the same would be said again and again. */
export function limitedPrinter(): (line: string) => void {
  let printed = 0;
  return (line) => {
    printed += 1;
    if (printed <= MOST_LINES) process.stderr.write(`${line}\n`);
    if (printed === MOST_LINES) process.stderr.write('What this process says from here on is not printed.\n');
  };
}

const MOST_LINES = 10;
