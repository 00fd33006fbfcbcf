import { writeFileSync } from 'node:fs';
import type { describeMachine } from './machine.ts';
import { SCENARIOS } from './scenarios.ts';

/** What the benchmark printed at its end. */
export interface Printed {
  table: string;
  failures: readonly string[];
  verdicts: readonly string[];
  /** Whether the server under test had a CPU of its own. */
  isPinned: boolean;
  minutes: number;
}

/** Writes the results of a whole run to `bench/RESULTS.md`. `machine` is what was known before the run. */
export function writeResults(
  machine: Awaited<ReturnType<typeof describeMachine>>,
  { table, failures, verdicts, isPinned, minutes }: Printed,
): void {
  const pinned = SCENARIOS.filter((scenario) => scenario.isPinned).map(({ name }) => name);
  const text = `# Results of the benchmark

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}, in ${minutes.toFixed(0)} minutes. How to run it, and why it measures
what it measures: [docs/bench.md](../docs/bench.md).

\`\`\`
${verdicts.join('\n')}
\`\`\`

These lines are of the engine and the subscription that cost most: the CPU per token of \`relay\`, with a frame per event, and of
\`fan-out\`, with 100 watchers over a WebSocket; the p50 of \`first-token\`, with 100 starts at once; the resident memory of an \`idle\`
follower; of a \`fleet\` of two, the commands of Redis and the CPU above that of one server, per token of 100 answers.

## How to read it

- Compare servers within this page. Absolute figures differ between machines, and between hours on one machine.
- All servers were measured in turns, in each round another one first. Figures are medians of the rounds, with the smallest and the
  largest, and a ratio is the median of the ratios within each round.
- A result counts only if every client was given exactly the provider’s text.
- CPU is that of the server’s process with all its threads, user and system; PostgreSQL CPU is that of the backends of its database.
  Writes are system calls that write. Provider and clients are processes of their own.
${
  isPinned
    ? `- The server had a CPU of its own in ${pinned.join(', ')}. In the others everybody ran where the kernel put them.`
    : '- Nothing was pinned to a CPU.'
}

${SCENARIOS.map(({ name, about }) => `- **${name}**: ${about}`).join('\n')}

## Measured

${table}
${failures.length === 0 ? '' : `Not counted:\n\n${failures.map((failure) => `- ${failure}`).join('\n')}\n\n`}## Where

| | |
| --- | --- |
${machine.map(([name, value]) => `| ${name} | ${value} |`).join('\n')}
`;
  writeFileSync(new URL('RESULTS.md', import.meta.url), text);
}
