import type { Following } from '../clients/streams.ts';
import { startMeter } from '../process/meter.ts';
import type { Run } from '../run.ts';
import type { Contender } from '../servers/contenders.ts';
import type { Stage } from '../stage.ts';

/** What streaming has cost, from the first tokens to the last. */
export interface Streamed {
  cpu: number;
  databaseCpu: number | undefined;
  writes: number;
  /** Frames with text that a client received. */
  frames: number;
}

/** Streams all answers of a run, and measures the server between the first tokens, which come before, and the last. */
export async function measureStreaming(
  { provider, clients }: Stage,
  contender: Contender,
  run: Run,
  following: Following,
): Promise<Streamed> {
  await clients.call('open', { target: contender.target, run, following });
  const before = await clients.call('start', { atOnce: run.streams });
  const meter = startMeter(contender);
  const whole = clients.call('reach', { tokens: run.tokens }, 90_000 + 3 * run.tokens * run.paceMs);
  await provider.call('flow', { run: run.id });
  const after = await whole;
  const spent = meter();
  const ended = clients.call('end', {});
  await provider.call('finish', { run: run.id });
  await ended;
  return { ...spent, frames: after.frames - before.frames };
}

/** The same per token that a client was given. */
export function perToken({ cpu, databaseCpu, writes, frames }: Streamed, tokens: number) {
  return {
    per: 'token',
    cpu: cpu / tokens,
    databaseCpu: databaseCpu && databaseCpu / tokens,
    writes: writes / tokens,
    more: { 'tokens a frame': tokens / frames },
  };
}
