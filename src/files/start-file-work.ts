import { failureName, log } from '../log.ts';
import { startRounds } from '../rounds.ts';
import type { FileDeps } from './file-deps.ts';
import { giveUpReadings } from './read-uploaded.ts';
import { sweepFiles } from './sweep.ts';

/**
 * Starts what is done with files in the background. `isTurn` says whether this server is the one that sweeps for all. Returns a
 * function that stops it.
 */
export async function startFileWork(
  deps: FileDeps,
  { isAlone, isTurn }: { isAlone: boolean; isTurn: () => Promise<boolean> },
): Promise<() => Promise<void>> {
  if (isAlone) await giveUpReadings(deps);
  const clearing = deps.fileStore.clearLeftovers().catch((error: unknown) => {
    log.warn({ failure: failureName(error) }, 'what a crash left of uploads could not be removed');
  });
  const stopRounds = startRounds({
    isTurn,
    work: () => sweepFiles(deps),
    everyMs: SWEEP_EVERY_MS,
    whenItFails: 'files could not be swept',
  });
  return async () => {
    await stopRounds();
    await clearing;
  };
}

const SWEEP_EVERY_MS = 60_000; // how soon after a deletion the bytes go
