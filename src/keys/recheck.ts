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

/**
 * Checks every key that is due, a few at a time: when one check ends, the next begins. Returns the milliseconds until the next key
 * is due; null if none will be.
 */
export async function recheckDueKeys(deps: RecheckDeps): Promise<number | null> {
  const running = new Set<Promise<void>>();
  try {
    while (!deps.stopping.aborted) {
      const next = await findNext(deps, AT_ONCE - running.size);
      const now = Date.now();
      const due = next.filter(({ recheckAt }) => recheckAt.getTime() <= now);
      for (const key of due) {
        if (!(await claim(deps, key))) continue;
        const check = recheck(deps, key).finally(() => running.delete(check));
        running.add(check);
      }
      if (due.length === 0 && running.size === 0)
        return next[0] === undefined ? null : next[0].recheckAt.getTime() - now;
      if (due.length === 0 || running.size === AT_ONCE) await Promise.race(running);
    }
    return null;
  } finally {
    await Promise.all(running);
  }
}

/** The keys that are or will be due first, without those that could not be used even if the provider accepts them. */
async function findNext({ db }: { db: Database }, count: number): Promise<Due[]> {
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
    .limit(count);
  return rows.flatMap(({ recheckAt, ...key }) => (recheckAt === null ? [] : [{ ...key, recheckAt }]));
}

interface Due {
  id: string;
  recheckAt: Date;
  inconclusiveChecks: number;
}

/**
 * Postpones a key that is due, before it is checked: one whose check fails unexpectedly must not be the next one due for ever. Every
 * server searches, and the one whose update finds the key still due checks it.
 */
async function claim({ db }: { db: Database }, { id, recheckAt }: Due): Promise<boolean> {
  const postponed = await db
    .update(apiKeys)
    .set({ recheckAt: new Date(Date.now() + POSTPONE_MS) })
    .where(and(eq(apiKeys.id, id), eq(apiKeys.recheckAt, recheckAt)))
    .returning({ id: apiKeys.id });
  return postponed.length > 0;
}

async function recheck(deps: RecheckDeps, { id, inconclusiveChecks }: Due): Promise<void> {
  try {
    const checked = await unlessStopped(checkStoredKey(deps, id, deps.stopping), deps.stopping);
    // The first check without a result was that of the person who added the key.
    const inconclusive = Math.max(inconclusiveChecks, 1) + 1;
    await saveCheckResult(deps, id, checked, { type: 'server', inconclusive });
  } catch (error) {
    // The key was removed meanwhile or does not open, which is recorded already, or the server shuts down.
    if (error instanceof NotFoundError || error instanceof SealError || deps.stopping.aborted) return;
    log.error({ apiKeyId: id, failure: failureName(error) }, 'a stored key could not be checked');
  }
}

/** The result of a check, unless the server stops before: a check that a person began does not end with it, and may take long. */
async function unlessStopped<Result>(check: Promise<Result>, stopping: AbortSignal): Promise<Result> {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = () => reject(stopping.reason);
  stopping.addEventListener('abort', stop);
  try {
    return await Promise.race([check, stopped]);
  } finally {
    // The signal lives as long as the server.
    stopping.removeEventListener('abort', stop);
  }
}

function logFailure(error: unknown): null {
  log.warn({ failure: failureName(error) }, 'no keys could be checked');
  return null;
}

// Eight providers that never reply delay the checks of all other keys by the 15 seconds after which a check is given up.
const AT_ONCE = 8;
const SEARCH_EVERY_MS = 60_000; // one small query; a key that became due meanwhile waits no longer
const POSTPONE_MS = 60 * 60_000;
