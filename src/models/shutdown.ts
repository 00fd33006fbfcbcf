/** How far the shutdown of a model is: more than thirty days away or not announced, near, or past. */
export function shutdownPhase(shutdownAt: Date | null, now: Date): 'none' | 'soon' | 'past' {
  if (shutdownAt === null || shutdownAt.getTime() - now.getTime() > SOON_MS) return 'none';
  return shutdownAt > now ? 'soon' : 'past';
}

export const SOON_MS = 30 * 24 * 60 * 60_000; // time enough to try another model, and not so long that it is forgotten
