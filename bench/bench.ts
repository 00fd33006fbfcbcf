import { Cleanup } from './cleanup.ts';
import { describeMachine } from './machine.ts';
import type { Rounds } from './measurement.ts';
import { type Options, readOptions } from './options.ts';
import { writeResults } from './results.ts';
import { SCENARIOS } from './scenarios.ts';
import { arePeersInstalled } from './servers/contenders.ts';
import { Stage } from './stage.ts';
import { tableOf } from './table.ts';

/**
 * `npm run bench`: measures, prints one table, and at the end a line for a machine to read of each scenario that has one. A run
 * of everything also writes RESULTS.md.
 */
async function bench(options: Options): Promise<void> {
  const cleanup = new Cleanup();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => cleanup.run().finally(() => process.exit(1)));
  if (!arePeersInstalled())
    say('Stock Yoga and the AI SDK are left out; to measure them too, run: npm ci --prefix bench');
  const startedAtMs = performance.now();
  const machine = await describeMachine();
  try {
    const stage = await Stage.open(options, cleanup, say);
    const results = await measure(stage);
    const table = tableOf(results);
    const verdicts = SCENARIOS.flatMap(({ name, verdict }) => verdict?.(results.get(name) ?? []) ?? []);
    const { failures, canPin } = stage;
    say(`\n${table}`);
    if (failures.length > 0) say(`Not counted:\n${failures.map((failure) => `- ${failure}`).join('\n')}\n`);
    for (const line of verdicts) say(line);
    if (failures.length > 0) process.exitCode = 1;
    const minutes = (performance.now() - startedAtMs) / 60_000;
    if (options.isWhole) writeResults(machine, { table, failures, verdicts, isPinned: canPin, minutes });
  } finally {
    await cleanup.run();
  }
}

async function measure(stage: Stage): Promise<Map<string, Rounds>> {
  const results = new Map<string, Rounds>();
  for (const scenario of SCENARIOS.filter(({ name }) => stage.options.only.includes(name))) {
    const place = scenario.isPinned && stage.canPin ? 'the server on a CPU of its own' : 'nothing pinned';
    say(`${scenario.name} (${place})`);
    await stage.pin(scenario.isPinned);
    const rounds = await stage.attempt(scenario.name, () => scenario.measure(stage));
    if (rounds !== undefined) results.set(scenario.name, rounds);
  }
  return results;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Undefined, and a sentence on the terminal, if the flags are wrong. */
function readFlags(): Options | undefined {
  try {
    return readOptions(
      process.argv.slice(2),
      SCENARIOS.map(({ name }) => name),
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
    return undefined;
  }
}

const options = readFlags();
if (options !== undefined) await bench(options);
