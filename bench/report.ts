/** What one run of one server gave. */
export interface Measurement {
  server: string;
  engine: string;
  mode: string;
  cpuPerToken: number;
  framesPerToken: number;
  firstTokenMs: number[];
  residentMebibytes: number;
}

/** Which line of the table a measurement belongs to. */
export type Line = Pick<Measurement, 'server' | 'engine' | 'mode'>;

/** The server that the others are compared with. */
export const BASELINE = 'raw ws';

/** A table with one line per server, engine and mode; `rounds` holds what was measured side by side. */
export function tableOf(rounds: readonly Measurement[][]): string {
  const lines = (rounds[0] ?? []).map((first) => {
    const cells = rounds.map((round) => sameLine(round, first));
    const cpu = cells.map(({ cpuPerToken }) => cpuPerToken);
    const firstTokens = cells.flatMap(({ firstTokenMs }) => firstTokenMs);
    return [
      first.server,
      first.engine,
      first.mode,
      `${quantile(cpu, 0.5).toFixed(1)} [${Math.min(...cpu).toFixed(1)}–${Math.max(...cpu).toFixed(1)}]`,
      ratioToBaseline(rounds, first).toFixed(2),
      quantile(
        cells.map(({ framesPerToken }) => framesPerToken),
        0.5,
      ).toFixed(2),
      quantile(firstTokens, 0.5).toFixed(0),
      quantile(firstTokens, 0.99).toFixed(0),
      Math.max(...cells.map((cell) => cell.residentMebibytes)).toFixed(0),
    ];
  });
  return [HEAD, HEAD.map((_, column) => (column < 3 ? '---' : '--:')), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

/** The median, over the rounds, of a line's CPU per token divided by the baseline's in the same round and mode. */
export function ratioToBaseline(rounds: readonly Measurement[][], line: Line): number {
  const ratios = rounds.map((round) => {
    const baseline = sameLine(round, { ...line, server: BASELINE, engine: '' });
    return sameLine(round, line).cpuPerToken / baseline.cpuPerToken;
  });
  return quantile(ratios, 0.5);
}

const HEAD = [
  'server',
  'engine',
  'mode',
  'CPU µs/token median [min–max]',
  `× ${BASELINE}`,
  'frames/token',
  'first token p50 ms',
  'p99 ms',
  'RSS MiB',
];

function sameLine(round: readonly Measurement[], { server, engine, mode }: Line): Measurement {
  const found = round.find((one) => one.server === server && one.engine === engine && one.mode === mode);
  if (found === undefined) throw new Error(`${server} was not measured in this round`);
  return found;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}
