import { Cleanup } from './cleanup.ts';
import { readOptions } from './options.ts';
import { measureRelay } from './relay.ts';

/** `npm run bench`: measures and prints a table; the last line is for a machine to read. */
const options = readOptions(process.argv.slice(2));
const cleanup = new Cleanup();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => cleanup.run().finally(() => process.exit(1)));
try {
  await measureRelay(options, cleanup, (line) => process.stdout.write(`${line}\n`));
} finally {
  await cleanup.run();
}
