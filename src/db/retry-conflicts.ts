import { setTimeout as sleep } from 'node:timers/promises';
import { failureCode } from '../log.ts';

/**
 * Retries work that the database rolled back because of concurrent transactions: a deadlock or a serialization failure. The
 * work must have no effect outside the database when it fails. The caller can name further PostgreSQL codes to retry.
 */
export async function retryConflicts<Result>(
  work: () => Promise<Result>,
  otherCodes: readonly string[] = [],
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const code = failureCode(error) ?? '';
      if (attempt === MAX_ATTEMPTS || !(CONFLICTS.includes(code) || otherCodes.includes(code))) throw error;
      await sleep(Math.random() * LONGEST_DELAY_MS); // random, so that two conflicting transactions do not retry in step
    }
  }
}

/** `deadlock_detected` and `serialization_failure`. */
const CONFLICTS = ['40P01', '40001'];

const MAX_ATTEMPTS = 4;
const LONGEST_DELAY_MS = 50;
