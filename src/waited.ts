import { setTimeout as sleep } from 'node:timers/promises';

/** True once the time has passed, false if the wait was aborted. */
export async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  return await sleep(ms, true, { signal }).catch(() => false);
}
