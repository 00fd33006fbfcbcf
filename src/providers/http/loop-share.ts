/**
 * Divides the event loop between tenants, whose servers decide how much there is to read and how slow it is to parse. Work within
 * a tenant's allowance is done at once. Further work waits for its turn, tenant by tenant, and all of it together takes at most
 * half of the time in short slices, so that other work waits for a few milliseconds at most.
 */
export interface LoopShare {
  /**
   * Calls `step`, a small piece of work that returns whether more is left, until it returns false. Returns true if all was done
   * at once; false if the rest waits for later turns.
   */
  run(tenantId: string, step: () => boolean): boolean;
}

export function createLoopShare(): LoopShare {
  const accounts = new Map<string, Account>();
  // In the order of their turns.
  const waiting = new Map<string, (() => boolean)[]>();

  function accountOf(tenantId: string): Account {
    const account = accounts.get(tenantId);
    if (account !== undefined) return account;
    // Dropping all accounts gives every tenant a full allowance again, which is short.
    if (accounts.size >= MOST_ACCOUNTS) accounts.clear();
    const opened = { creditMs: ALLOWANCE_MS, at: performance.now() };
    accounts.set(tenantId, opened);
    return opened;
  }

  function wait(tenantId: string, steps: readonly (() => boolean)[]): void {
    if (steps.length === 0) return;
    waiting.set(tenantId, [...(waiting.get(tenantId) ?? []), ...steps]);
  }

  function takeTurns(): void {
    const start = performance.now();
    let usedMs = 0;
    for (const [tenantId, [step, ...others]] of waiting) {
      waiting.delete(tenantId);
      // Goes behind the tenant's other work, and the tenant behind all others: iteration of a Map reaches entries added meanwhile.
      const isMore = step !== undefined && timed(accountOf(tenantId), step, performance.now());
      wait(tenantId, isMore ? [...others, step] : others);
      usedMs = performance.now() - start;
      if (usedMs >= TURN_MS) break;
    }
    if (waiting.size > 0) setTimeout(takeTurns, Math.max(usedMs, 1));
  }

  return {
    run(tenantId, step) {
      if (!waiting.has(tenantId)) {
        const account = accountOf(tenantId);
        let nowMs = performance.now();
        while (creditAt(account, nowMs) > 0) {
          if (!timed(account, step, nowMs)) return true;
          nowMs = performance.now();
        }
      }
      if (waiting.size === 0) setTimeout(takeTurns, 1);
      wait(tenantId, [step]);
      return false;
    },
  };
}

/** The division of this process's event loop. */
export const loopShare: LoopShare = createLoopShare();

interface Account {
  /** Milliseconds of work that may be done at once; below zero after work that took longer. */
  creditMs: number;
  /** Time of that balance, in milliseconds. */
  at: number;
}

/** The balance at this time, which grows with time. */
function creditAt(account: Account, nowMs: number): number {
  const earnedMs = (nowMs - account.at) * EARNED_MS_PER_MS;
  account.creditMs = Math.min(account.creditMs + earnedMs, ALLOWANCE_MS);
  account.at = nowMs;
  return account.creditMs;
}

/** Takes a step that begins now, at the account's expense, and returns its result. */
function timed(account: Account, step: () => boolean, nowMs: number): boolean {
  try {
    return step();
  } finally {
    account.creditMs = Math.max(account.creditMs - (performance.now() - nowMs), -ALLOWANCE_MS);
  }
}

// A whole answer in one burst takes less; sixteen fast ones take less than a tenth of the time.
const ALLOWANCE_MS = 50;
const EARNED_MS_PER_MS = 0.1;
const TURN_MS = 4;
const MOST_ACCOUNTS = 10_000;
