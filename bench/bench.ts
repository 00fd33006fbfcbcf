import { Cleanup } from './cleanup.ts';
import { type Options, readOptions } from './options.ts';
import { measureRelay } from './relay.ts';

const SCENARIOS: Readonly<Record<string, typeof measureRelay>> = { relay: measureRelay };

/** `npm run bench`: measures and prints a table; the last line is for a machine to read. */
async function bench(options: Options): Promise<void> {
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => cleanup.run().finally(() => process.exit(1)));
  try {
    for (const [name, measure] of Object.entries(SCENARIOS))
      if (options.only.includes(name))
        await measure(options, cleanup, (line) => process.stdout.write(`${line}\n`));
  } finally {
    await cleanup.run();
  }
}

await bench(readOptions(process.argv.slice(2), Object.keys(SCENARIOS)));
