import type { Measurement, Rounds } from './measurement.ts';
import type { Contender } from './servers/contenders.ts';
import type { Stage } from './stage.ts';

/** A question that the benchmark answers. */
export interface Scenario {
  /** As `--only` names it. */
  name: string;
  /** What is done and measured, in sentences that explain the table. */
  about: string;
  /** Whether the server under test has a CPU of its own, if the machine has several. */
  isPinned: boolean;
  measure(stage: Stage): Promise<Rounds>;
  /** The line for a machine to read; undefined if what it needs was not measured. */
  verdict?(rounds: Rounds): string | undefined;
}

/** One way of doing what a scenario does, which is measured with each contender it takes. */
export interface Mode {
  name: string;
  /** Mode of the baseline that it is compared with, if that has another. */
  baseline?: string;
  takes(contender: Contender): boolean;
  measure(contender: Contender): Promise<Omit<Measurement, 'server' | 'engine' | 'mode' | 'baseline'>>;
}

/**
 * Measures every mode with every contender in each round, side by side, since absolute figures differ between machines and
 * moments. Each contender goes first once, so that none always follows the same neighbour. An extra round before only warms up.
 */
export async function measureInRounds(
  stage: Stage,
  rounds: number,
  modes: readonly Mode[],
  { warmsUp }: { warmsUp: boolean } = { warmsUp: true },
): Promise<Rounds> {
  const contenders = await stage.contenders();
  const measured: Measurement[][] = [];
  for (let round = warmsUp ? 0 : 1; round <= rounds; round += 1) {
    stage.say(round === 0 ? '  warming up' : `  round ${round} of ${rounds}`);
    const results: Measurement[] = [];
    for (const mode of modes)
      for (const contender of rotated(contenders.filter(mode.takes), round)) {
        const { server, engine } = contender;
        const { name, baseline } = mode;
        const what = `${name}, ${server} ${engine}`.trim();
        const result = await stage.attempt(what, () => mode.measure(contender));
        if (result !== undefined) results.push({ server, engine, mode: name, baseline, ...result });
      }
    if (round > 0) measured.push(inOrder(results, contenders, modes));
  }
  return measured;
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** By mode, then as the contenders were named. */
function inOrder(
  measured: readonly Measurement[],
  contenders: readonly Contender[],
  modes: readonly Mode[],
): Measurement[] {
  return modes.flatMap(({ name }) =>
    contenders.flatMap(({ server, engine }) =>
      measured.filter((one) => one.mode === name && one.server === server && one.engine === engine),
    ),
  );
}
