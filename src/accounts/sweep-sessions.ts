import { lt } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { sessions, verifications } from '../db/tables/user.ts';
import { failureName, log } from '../log.ts';

/**
 * Deletes expired sessions and links, at the start and once an hour, if that is this server's to do. Returns a function that stops
 * it.
 */
export function startSessionSweeps(
  deps: { db: Database },
  isTurn: () => Promise<boolean>,
): () => Promise<void> {
  let sweeping: Promise<void> | undefined;
  function sweep(): void {
    sweeping ??= isTurn()
      .then(async (isOurs) => {
        if (isOurs) await sweepExpired(deps);
      })
      .catch((error: unknown) =>
        log.warn({ failure: failureName(error) }, 'expired sessions could not be deleted'),
      )
      .finally(() => {
        sweeping = undefined;
      });
  }
  sweep();
  const timer = setInterval(sweep, SWEEP_EVERY_MS).unref();
  return async () => {
    clearInterval(timer);
    await sweeping;
  };
}

/** Deletes expired sessions and links once. */
export async function sweepExpired({ db }: { db: Database }): Promise<void> {
  const now = new Date();
  await db.delete(sessions).where(lt(sessions.expiresAt, now));
  await db.delete(verifications).where(lt(verifications.expiresAt, now));
}

const SWEEP_EVERY_MS = 60 * 60 * 1_000;
