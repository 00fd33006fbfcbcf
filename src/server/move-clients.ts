import { waited } from '../waited.ts';

/**
 * Ends what is open, a few at a time, so that the other servers are not asked for everything at once. What is opened meanwhile is
 * ended too. `open` gives a function for each that ends it. Resolves when nothing is open, and when `until` is aborted.
 */
export async function moveClients(
  open: () => (() => void)[],
  { withinMs, until }: { withinMs: number; until: AbortSignal },
): Promise<void> {
  // The load balancer has to notice first that this server is not ready, or clients would come back to it.
  if (open().length === 0 || !(await waited(NOTICE_MS, until))) return;
  const endsAtMs = performance.now() + moveDurationMs(open().length, withinMs);
  do {
    const ends = open();
    if (ends.length === 0) return;
    const steps = Math.max(Math.ceil((endsAtMs - performance.now()) / STEP_MS), 1);
    for (const end of ends.slice(0, Math.ceil(ends.length / steps))) end();
  } while (await waited(STEP_MS, until));
}

/** How long it takes to move so many clients. Answers that are still written then can be followed through other servers. */
export function moveDurationMs(clients: number, withinMs: number): number {
  return Math.min(Math.max(SHORTEST_MS, (clients / CLIENTS_A_SECOND) * 1_000), withinMs / 2);
}

const NOTICE_MS = 1_000;
const STEP_MS = 200;
const SHORTEST_MS = 5_000;
/** A client that comes back costs a server two milliseconds of CPU, so this leaves most of it to those who are there. */
const CLIENTS_A_SECOND = 100;
