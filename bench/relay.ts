import type { Cleanup } from './cleanup.ts';
import { type Contender, LATCHKEY, startContenders } from './contenders.ts';
import { type Helper, startHelper } from './helper.ts';
import { cpuMicroseconds, residentMebibytes } from './meter.ts';
import type { Options } from './options.ts';
import { type Measurement, ratioToBaseline, tableOf } from './report.ts';
import type { Run } from './run.ts';

/**
 * Relay 1:1: a provider streams answers through a server to one client each. Compares the CPU that Latchkey spends per token
 * with a bare WebSocket relay and a pipe of bytes, side by side in every round, since absolute figures differ between machines
 * and moments. Provider and clients are processes of their own; what is measured is streaming, from the first token to the last.
 */
export async function measureRelay(
  options: Options,
  cleanup: Cleanup,
  say: (line: string) => void,
): Promise<void> {
  const provider = startHelper('provider.ts');
  cleanup.add(provider.stop);
  const { port } = await provider.hear<{ port: number }>('listening');
  const clients = startHelper('clients.ts');
  cleanup.add(clients.stop);
  const contenders = await startContenders(options, `http://127.0.0.1:${port}/v1`, cleanup);

  const rounds: Measurement[][] = [];
  // The first round only warms up.
  for (let round = 0; round <= options.rounds; round += 1) {
    say(round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`);
    const measured: Measurement[] = [];
    for (const mode of MODES)
      for (const contender of rotated(contenders, round))
        measured.push(await runOnce({ options, provider, clients }, contender, mode));
    if (round > 0) rounds.push(inOrder(measured, contenders));
  }

  const { streams, tokens, paceMs } = options;
  say(
    `\n${FRAME_PER_EVENT.name}: ${streams} streams × ${tokens} tokens, one every ${paceMs} ms, each in a piece of its own.`,
  );
  say(`${BURST.name}: ${streams} streams × ${tokens * 4} tokens, unpaced, ${EVENTS_PER_CHUNK} in a piece.`);
  say('Every client got every byte. CPU of the server alone, from its first tokens to its last.\n');
  say(tableOf(rounds));
  const [worst] = (rounds[0] ?? [])
    .filter(({ server, mode }) => server === LATCHKEY && mode === FRAME_PER_EVENT.name)
    .map(({ server, engine, mode }) => ({ engine, ratio: ratioToBaseline(rounds, { server, engine, mode }) }))
    .sort((left, right) => right.ratio - left.ratio);
  if (worst === undefined) throw new Error('Latchkey was not measured');
  say(`${LATCHKEY}, ${FRAME_PER_EVENT.name}, on the engine that costs more here, ${worst.engine}:`);
  say(`relay ${worst.ratio.toFixed(2)} x raw-ws`);
}

interface Mode {
  name: string;
  shapeOf(options: Options): Pick<Run, 'tokens' | 'paceMs' | 'eventsPerChunk'>;
}

const FRAME_PER_EVENT: Mode = {
  name: 'frame per event',
  shapeOf: ({ tokens, paceMs }) => ({ tokens, paceMs, eventsPerChunk: 1 }),
};

const BURST: Mode = {
  name: 'burst',
  // Bursts cost less per token, so it takes more tokens for the clock to tell.
  shapeOf: ({ tokens }) => ({ tokens: tokens * 4, paceMs: 0, eventsPerChunk: EVENTS_PER_CHUNK }),
};

const MODES = [FRAME_PER_EVENT, BURST];
const EVENTS_PER_CHUNK = 8;

async function runOnce(
  { options, provider, clients }: { options: Options; provider: Helper; clients: Helper },
  { server, engine, pid, target }: Contender,
  mode: Mode,
): Promise<Measurement> {
  const run: Run = { id: crypto.randomUUID(), streams: options.streams, ...mode.shapeOf(options) };
  const prepared = clients.hear('prepared');
  clients.tell({ type: 'prepare', target, run });
  await prepared;

  const firstTokens = clients.hear<{ firstTokenMs: number[] }>('first');
  clients.tell({ type: 'start' });
  const { firstTokenMs } = await firstTokens;

  const pacedMs = run.tokens * run.paceMs;
  const wholeText = clients.hear<{ frames: number }>('text', 60_000 + 3 * pacedMs);
  const cpuBefore = cpuMicroseconds(pid);
  provider.tell({ type: 'flow', run: run.id });
  const { frames } = await wholeText;
  const cpu = cpuMicroseconds(pid) - cpuBefore;
  const resident = residentMebibytes(pid);

  const ended = clients.hear('end');
  provider.tell({ type: 'finish', run: run.id });
  await ended;

  const streamed = run.streams * (run.tokens - 1); // the first token of each came before
  return {
    server,
    engine,
    mode: mode.name,
    cpuPerToken: cpu / streamed,
    framesPerToken: frames / streamed,
    firstTokenMs,
    residentMebibytes: resident,
  };
}

/** Each contender goes first once, so that none always follows the same neighbour. */
function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** By mode, then as the contenders were named. */
function inOrder(measured: readonly Measurement[], contenders: readonly Contender[]): Measurement[] {
  return MODES.flatMap(({ name }) =>
    contenders.flatMap(({ server, engine }) =>
      measured.filter((one) => one.mode === name && one.server === server && one.engine === engine),
    ),
  );
}
