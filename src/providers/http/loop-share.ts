/**
 * Divides the event loop between owners of keys, whose servers decide how much there is to read and how slow it is to parse. Work
 * within an owner's allowance is done at once. What is beyond it waits for its turn, owner by owner, and all of that together
 * takes at most half of the time in short pieces, so that nobody else waits for more than a few milliseconds.
 */
export interface LoopShare {
  /**
   * Calls `step`, a small piece of work that returns whether there is more of it, until there is not. Returns true if all was
   * done; false if the rest waits, and then calls `step` later.
   */
  run(tenantId: string, step: () => boolean): boolean;
}

export function createLoopShare(): LoopShare {
  const accounts = new Map<string, Account>();
  // In the order of their turns.
  const waiting = new Map<string, (() => boolean)[]>();

  function timed(tenantId: string, step: () => boolean): boolean {
    const account = accountOf(tenantId);
    const start = performance.now();
    try {
      return step();
    } finally {
      account.creditMs = Math.max(account.creditMs - (performance.now() - start), -ALLOWANCE_MS);
    }
  }

  function accountOf(tenantId: string): Account {
    const now = performance.now();
    const account = accounts.get(tenantId);
    if (account !== undefined) {
      const earnedMs = (now - account.at) * EARNED_MS_PER_MS;
      account.creditMs = Math.min(account.creditMs + earnedMs, ALLOWANCE_MS);
      account.at = now;
      return account;
    }
    // Everybody then begins with a full allowance again, which is short.
    if (accounts.size >= MOST_ACCOUNTS) accounts.clear();
    const opened = { creditMs: ALLOWANCE_MS, at: now };
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
      // Behind the others, and the owner behind all other owners: a Map goes on to what was added meanwhile.
      const isMore = step !== undefined && timed(tenantId, step);
      wait(tenantId, isMore ? [...others, step] : others);
      usedMs = performance.now() - start;
      if (usedMs >= TURN_MS) break;
    }
    if (waiting.size > 0) setTimeout(takeTurns, Math.max(usedMs, 1));
  }

  return {
    run(tenantId, step) {
      if (!waiting.has(tenantId)) {
        while (accountOf(tenantId).creditMs > 0) if (!timed(tenantId, step)) return true;
      }
      if (waiting.size === 0) setTimeout(takeTurns, 1);
      wait(tenantId, [step]);
      return false;
    },
  };
}

/** The share of the one event loop that there is. */
export const loopShare: LoopShare = createLoopShare();

interface Account {
  /** Milliseconds of work that are done at once; below zero after work that took longer. */
  creditMs: number;
  /** When that was right, in milliseconds. */
  at: number;
}

// A whole answer in one burst takes less; sixteen lively ones take less than a tenth of the time.
const ALLOWANCE_MS = 50;
const EARNED_MS_PER_MS = 0.1;
const TURN_MS = 4;
const MOST_ACCOUNTS = 10_000;
