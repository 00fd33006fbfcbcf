import { Cleanup } from './cleanup.ts';
import type { Rounds } from './measurement.ts';
import { type Options, readOptions } from './options.ts';
import { SCENARIOS } from './scenarios.ts';
import { arePeersInstalled } from './servers/contenders.ts';
import { Stage } from './stage.ts';
import { tableOf } from './table.ts';

/** `npm run bench`: measures, prints one table, and at the end a line for a machine to read of each scenario that has one. */
async function bench(options: Options): Promise<void> {
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => cleanup.run().finally(() => process.exit(1)));
  if (!arePeersInstalled())
    say('Stock Yoga and the AI SDK are left out; to measure them too: npm ci --prefix bench');
  try {
    const stage = await Stage.open(options, cleanup, say);
    const results = new Map<string, Rounds>();
    for (const scenario of SCENARIOS.filter(({ name }) => options.only.includes(name))) {
      say(scenario.name);
      await stage.pin(scenario.isPinned);
      const rounds = await stage.attempt(scenario.name, () => scenario.measure(stage));
      if (rounds !== undefined) results.set(scenario.name, rounds);
    }
    say('');
    say(tableOf(results));
    if (stage.failures.length > 0) {
      say('Not counted:');
      for (const failure of stage.failures) say(`- ${failure}`);
      process.exitCode = 1;
    }
    for (const { name, verdict } of SCENARIOS) {
      const line = verdict?.(results.get(name) ?? []);
      if (line !== undefined) say(line);
    }
  } finally {
    await cleanup.run();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await bench(
  readOptions(
    process.argv.slice(2),
    SCENARIOS.map(({ name }) => name),
  ),
);
