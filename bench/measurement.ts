import { median, quantile } from './quantile.ts';
import { BASELINE } from './servers/contenders.ts';

/** What one run of one server gave, per unit of work. */
export interface Measurement {
  server: string;
  engine: string;
  /** What was done, e.g. `100 watchers, answerEvents`. */
  mode: string;
  /** Mode of the baseline that it is compared with; the same mode if absent. */
  baseline?: string | undefined;
  /** The unit of work, e.g. `token`. */
  per: string;
  /** CPU of the server in microseconds. */
  cpu?: number;
  /** CPU of its PostgreSQL backends in microseconds. */
  databaseCpu?: number | undefined;
  /** System calls that write. */
  writes?: number;
  latenciesMs?: readonly number[];
  /** Further figures by what they are, e.g. `tokens a frame`. */
  more?: Readonly<Record<string, number>>;
}

/** Measurements of one scenario, side by side in each round. */
export type Rounds = readonly (readonly Measurement[])[];

/** Which row of the table a measurement belongs to. */
export type Row = Pick<Measurement, 'server' | 'engine' | 'mode'>;

/** A figure of a measurement; undefined if it has none. */
export type Figure = (measurement: Measurement) => number | undefined;

export const CPU: Figure = ({ cpu }) => cpu;
export const P50: Figure = ({ latenciesMs }) => latenciesMs && quantile(latenciesMs, 0.5);

/** The rows of all rounds, in the order in which they were first measured. */
export function rowsOf(rounds: Rounds): Row[] {
  const rows: Row[] = [];
  for (const measurement of rounds.flat())
    if (!rows.some((row) => isOf(row, measurement))) rows.push(measurement);
  return rows;
}

export function measurementsOf(rounds: Rounds, row: Row): Measurement[] {
  return rounds.flat().filter((measurement) => isOf(row, measurement));
}

/** The median, over the rounds, of a figure divided by the baseline's in the same round and mode. Undefined without one. */
export function ratioToBaseline(rounds: Rounds, row: Row, figure: Figure): number | undefined {
  const ratios = rounds.flatMap((round) => {
    const own = round.find((measurement) => isOf(row, measurement));
    const baseline = round.find((one) => one.server === BASELINE && one.mode === (own?.baseline ?? row.mode));
    const [value, base] = [own && figure(own), baseline && figure(baseline)];
    return value === undefined || base === undefined || base === 0 ? [] : [value / base];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** Among rows of this checkout, the one whose figure is largest. Undefined if there is none. */
export function dearest(
  rounds: Rounds,
  isMeant: (row: Row) => boolean,
  figureOf: (row: Row) => number | undefined,
): { row: Row; value: number } | undefined {
  return rowsOf(rounds)
    .filter(isMeant)
    .flatMap((row) => {
      const value = figureOf(row);
      return value === undefined ? [] : [{ row, value }];
    })
    .sort((left, right) => right.value - left.value)[0];
}

function isOf(row: Row, { server, engine, mode }: Measurement): boolean {
  return row.server === server && row.engine === engine && row.mode === mode;
}
