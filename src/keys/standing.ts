import { inArray } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import type { Owner } from '../workspaces/owner.ts';
import type { Plan } from '../workspaces/plan.ts';
import { keyColumns } from './api-key.ts';
import { type KeyStatus, statusOnPlan } from './status.ts';

/** A key as the server follows it. Whoever is shown one has to be asked about apart from this. */
export interface KeyStanding extends Pick<typeof apiKeys.$inferSelect, keyof typeof keyColumns> {
  status: KeyStatus;
  /** When time alone will change its status; null for never. */
  changesAt: Date | null;
}

/** How the keys of these owners stand now, whoever may manage them, in the order of their ids. */
export async function keyStandings(
  { db, defaultPlan }: { db: Database; defaultPlan: Plan },
  owners: readonly Owner[],
): Promise<KeyStanding[]> {
  const byId = new Map(owners.map((owner) => [owner.id, owner]));
  const rows = await db
    .select(keyColumns)
    .from(apiKeys)
    .where(inArray(apiKeys.ownerId, [...byId.keys()]))
    .orderBy(apiKeys.id);
  const now = new Date();
  return rows.flatMap((row) => {
    const owner = byId.get(row.ownerId);
    if (owner === undefined) return [];
    const status = statusOnPlan(row, owner, defaultPlan, now);
    return [{ ...row, status, changesAt: firstAfter(now, row) }];
  });
}

function firstAfter(
  now: Date,
  { expiresAt, rateLimitedUntil }: Pick<KeyStanding, 'expiresAt' | 'rateLimitedUntil'>,
): Date | null {
  const ahead = [expiresAt, rateLimitedUntil]
    .filter((moment) => moment !== null)
    .filter((moment) => moment > now);
  return ahead.sort((left, right) => left.getTime() - right.getTime())[0] ?? null;
}
