import { lt } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { sessions, verifications } from '../db/tables/user.ts';

/** Deletes expired sessions and links. */
export async function sweepExpired({ db }: { db: Database }): Promise<void> {
  const now = new Date();
  await db.delete(sessions).where(lt(sessions.expiresAt, now));
  await db.delete(verifications).where(lt(verifications.expiresAt, now));
}

export const SWEEP_SESSIONS_EVERY_MS = 60 * 60 * 1_000;
