import { and, asc, eq, gt, inArray, isNotNull, isNull, or } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { apiKeys } from '../db/tables/api-key.ts';
import { NotFoundError } from '../errors.ts';
import { failureName, log } from '../log.ts';
import { PLANS } from '../plans-and-roles.ts';
import { SealError } from '../vault/seal.ts';
import { waited } from '../waited.ts';
import { planAllowsKeys, planOfKey } from '../workspaces/plan.ts';
import type { KeyDeps } from './api-key.ts';
import { checkStoredKey } from './check.ts';
import { saveCheckResult } from './record-outcome.ts';

/**
 * Starts checking stored keys with their providers, a few at a time and each when it is due, so that the status of unused keys
 * stays current. Returns a function that stops this and aborts running checks.
 */
export function startRechecks(deps: KeyDeps, searchEveryMs: number = SEARCH_EVERY_MS): () => Promise<void> {
  const stopping = new AbortController();
  const recheckDeps = { ...deps, stopping: stopping.signal };
  const ended = run();
  return async () => {
    stopping.abort();
    await ended;
  };

  async function run(): Promise<void> {
    let delayMs = searchEveryMs;
    while (await waited(delayMs, stopping.signal)) {
      const dueInMs = await recheckDueKeys(recheckDeps).catch(logFailure);
      delayMs = Math.min(dueInMs ?? searchEveryMs, searchEveryMs);
    }
  }
}

export interface RecheckDeps extends KeyDeps {
  stopping: AbortSignal;
}

/** Checks every key that is due. Returns the milliseconds until the next one is; null if none will be. */
export async function recheckDueKeys(deps: RecheckDeps): Promise<number | null> {
  while (!deps.stopping.aborted) {
    const next = await findNext(deps);
    const now = Date.now();
    const due = next.filter(({ recheckAt }) => recheckAt.getTime() <= now);
    if (due.length === 0) return next[0] === undefined ? null : next[0].recheckAt.getTime() - now;
    const ended = await Promise.allSettled(due.map((key) => recheck(deps, key)));
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
  return null;
}

/** The keys that are or will be due first, without those that could not be used even if the provider accepts them. */
async function findNext({ db }: { db: Database }): Promise<Due[]> {
  const plansFor = (whose: 'workspace' | 'team') => PLANS.filter((each) => planAllowsKeys(each, whose));
  const rows = await db
    .select({ id: apiKeys.id, recheckAt: apiKeys.recheckAt, inconclusiveChecks: apiKeys.inconclusiveChecks })
    .from(apiKeys)
    .where(
      and(
        isNotNull(apiKeys.recheckAt),
        eq(apiKeys.isEnabled, true),
        eq(apiKeys.needsReentry, false),
        or(isNull(apiKeys.expiresAt), gt(apiKeys.expiresAt, new Date())),
        or(
          and(isNull(apiKeys.teamId), inArray(planOfKey, plansFor('workspace'))),
          and(isNotNull(apiKeys.teamId), inArray(planOfKey, plansFor('team'))),
        ),
      ),
    )
    .orderBy(asc(apiKeys.recheckAt))
    .limit(AT_ONCE);
  return rows.flatMap(({ recheckAt, ...key }) => (recheckAt === null ? [] : [{ ...key, recheckAt }]));
}

interface Due {
  id: string;
  recheckAt: Date;
  inconclusiveChecks: number;
}

/** Every server searches, and the one whose update finds the key still due checks it. */
async function recheck(deps: RecheckDeps, { id, recheckAt, inconclusiveChecks }: Due): Promise<void> {
  // Postponed before the check: one that fails unexpectedly must not be the next one due for ever.
  const postponed = await deps.db
    .update(apiKeys)
    .set({ recheckAt: new Date(Date.now() + POSTPONE_MS) })
    .where(and(eq(apiKeys.id, id), eq(apiKeys.recheckAt, recheckAt)))
    .returning({ id: apiKeys.id });
  if (postponed.length === 0) return;
  try {
    const checked = await checkStoredKey(deps, id, deps.stopping);
    // The first check without a result was that of the person who added the key.
    const inconclusive = Math.max(inconclusiveChecks, 1) + 1;
    await saveCheckResult(deps, id, checked, { type: 'server', inconclusive });
  } catch (error) {
    // The key was removed meanwhile or does not open, which is recorded already, or the server shuts down.
    if (error instanceof NotFoundError || error instanceof SealError || deps.stopping.aborted) return;
    log.error({ apiKeyId: id, failure: failureName(error) }, 'a stored key could not be checked');
  }
}

function logFailure(error: unknown): null {
  log.warn({ failure: failureName(error) }, 'no keys could be checked');
  return null;
}

const AT_ONCE = 8; // or a few servers that never reply would delay the checks of all other keys
const SEARCH_EVERY_MS = 60_000; // one small query; a key that became due meanwhile waits no longer
const POSTPONE_MS = 60 * 60_000;
