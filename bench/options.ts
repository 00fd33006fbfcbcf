import { parseArgs } from 'node:util';

export interface Options {
  /** Names of the scenarios to measure, in the order in which they are measured. */
  only: readonly string[];
  streams: number;
  tokens: number;
  rounds: number;
  /** Whether this run is of everything, so that its results may be kept. */
  isWhole: boolean;
  /** Less of everything, to try the benchmark itself. */
  isQuick: boolean;
  paceMs: number;
  /** A second checkout to measure beside this one. */
  against: string | undefined;
  /** Folder for CPU profiles of Latchkey, which make it slower. */
  profile: string | undefined;
}

/** Reads the flags; `scenarios` are the names that there are. Throws an Error whose message says what is wrong. */
export function readOptions(args: string[], scenarios: readonly string[]): Options {
  const { values } = parseArgs({ args, options: FLAGS });
  const isQuick = values.quick === true;
  return {
    only: readOnly(values.only, scenarios),
    isQuick,
    isWhole:
      !isQuick && values.only === undefined && values.against === undefined && values.profile === undefined,
    streams: readCount('streams', values.streams ?? '100', MOST_STREAMS),
    tokens: readCount('tokens', values.tokens ?? (isQuick ? '100' : '300'), 100_000),
    rounds: readCount('rounds', values.rounds ?? (isQuick ? '2' : '5'), 100),
    paceMs: readCount('pace-ms', values['pace-ms'] ?? '20', 1_000),
    against: values.against,
    profile: values.profile,
  };
}

const FLAGS = {
  only: { type: 'string' },
  streams: { type: 'string' },
  tokens: { type: 'string' },
  rounds: { type: 'string' },
  'pace-ms': { type: 'string' },
  quick: { type: 'boolean' },
  against: { type: 'string' },
  profile: { type: 'string' },
} as const;

const MOST_STREAMS = 200; // what one process of Latchkey answers at a time

/** E.g. `relay,first-token`; all of them if absent. */
function readOnly(text: string | undefined, scenarios: readonly string[]): string[] {
  const named = text?.split(',') ?? scenarios;
  const unknown = named.find((name) => !scenarios.includes(name));
  if (unknown !== undefined)
    throw new Error(`--only names "${unknown}". Give some of these, with commas: ${scenarios.join(', ')}.`);
  return scenarios.filter((name) => named.includes(name));
}

function readCount(name: string, text: string, most: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= most) return count;
  throw new Error(`--${name} is "${text}". Give a whole number from 1 to ${most}.`);
}
