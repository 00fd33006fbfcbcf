import { setTimeout as sleep } from 'node:timers/promises';
import { failureCode } from '../log.ts';
import { Connection } from './connection.ts';
import { isUnreachable } from './transient-failure.ts';

/**
 * Waits for a database server that is not up yet, as when both are started together: retries for a minute, calls `onFailure`
 * for every failed attempt, and then throws the last failure. A failure that waiting cannot fix, such as a wrong password, is
 * thrown at once.
 */
export async function reachDatabase(
  databaseUrl: string,
  onFailure: (failure: unknown) => Promise<void>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
    const connection = new Connection(databaseUrl, { replyWithinSeconds: 5 });
    try {
      await connection.run((client) => client`select 1`);
      return;
    } catch (error) {
      if (!isUnreachable(failureCode(error) ?? '') || performance.now() + delayMs > giveUpAt) throw error;
      await onFailure(error);
    } finally {
      await connection.close();
    }
    await sleep(delayMs);
  }
}

const PATIENCE_MS = 60_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5_000;
