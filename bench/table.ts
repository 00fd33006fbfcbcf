import {
  CPU,
  type Measurement,
  measurementsOf,
  P50,
  type Rounds,
  ratioToBaseline,
  rowsOf,
} from './measurement.ts';
import { median, quantile } from './quantile.ts';
import { BASELINE } from './servers/contenders.ts';

/** One table in Markdown with a row per scenario, server, engine and mode. */
export function tableOf(results: ReadonlyMap<string, Rounds>): string {
  const rows = [...results].flatMap(([scenario, rounds]) =>
    rowsOf(rounds).map((row) => {
      const measured = measurementsOf(rounds, row);
      const latenciesMs = measured.flatMap((one) => one.latenciesMs ?? []);
      return [
        scenario,
        row.mode,
        row.server,
        row.engine,
        measured[0]?.per ?? '',
        spread(measured.flatMap(({ cpu }) => cpu ?? [])),
        print(ratioToBaseline(rounds, row, CPU)),
        middle(measured.map(({ databaseCpu }) => databaseCpu)),
        middle(measured.map(({ writes }) => writes)),
        print(latenciesMs.length === 0 ? undefined : quantile(latenciesMs, 0.5)),
        print(ratioToBaseline(rounds, row, P50)),
        print(latenciesMs.length === 0 ? undefined : quantile(latenciesMs, 0.99)),
        moreOf(measured),
      ];
    }),
  );
  return [HEAD, HEAD.map((_, column) => (IS_TEXT.has(column) ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

const HEAD = [
  'scenario',
  'mode',
  'server',
  'engine',
  'per',
  'CPU µs [min–max]',
  `× ${BASELINE}`,
  'PostgreSQL CPU µs',
  'writes',
  'p50 ms',
  `× ${BASELINE}`,
  'p99 ms',
  'more',
];
const IS_TEXT = new Set([0, 1, 2, 3, 4, 12]);

function spread(values: readonly number[]): string {
  if (values.length === 0) return '';
  if (values.length === 1) return print(values[0]);
  return `${print(median(values))} [${print(Math.min(...values))}–${print(Math.max(...values))}]`;
}

function middle(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? '' : print(median(known));
}

function moreOf(measured: readonly Measurement[]): string {
  const names = Object.keys(measured[0]?.more ?? {});
  return names.map((name) => `${middle(measured.map(({ more }) => more?.[name]))} ${name}`).join(', ');
}

/** Three digits that matter. */
function print(value: number | undefined): string {
  if (value === undefined) return '';
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 0.1 || size === 0 ? 2 : 3);
}
