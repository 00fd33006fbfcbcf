/** Whether a model is shut down within the next thirty days, or has been. */
export function isShutDownSoon(shutdownAt: Date | null, now: Date): boolean {
  return shutdownAt !== null && shutdownAt.getTime() - now.getTime() <= SOON_MS;
}

export const SOON_MS = 30 * 24 * 60 * 60_000; // time enough to try another model, and not so long that it is forgotten
