import { setTimeout as sleep } from 'node:timers/promises';
import { failureCode } from '../log.ts';

/**
 * Does again what the database undid because others were at the same rows: two that waited for each other, or one that had
 * read what somebody then changed. The work must leave no trace elsewhere when it fails. Others of PostgreSQL's codes count
 * as such where the work says so.
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
      await sleep(Math.random() * LONGEST_DELAY_MS); // not in step with the other one
    }
  }
}

/** A deadlock, and a transaction that cannot be put in line with others. */
const CONFLICTS = ['40P01', '40001'];

const MAX_ATTEMPTS = 4;
const LONGEST_DELAY_MS = 50;
