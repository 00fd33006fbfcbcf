/**
 * Waits until `look` gives something: for facts that are not announced, such as a row that a timer writes. Rejects after five
 * seconds, or as many as the test says, with the title of what did not come.
 */
export async function eventually<Found>(
  title: string,
  look: () => Promise<Found | null | undefined | false> | Found | null | undefined | false,
  giveUpMs = GIVE_UP_MS,
): Promise<Found> {
  const giveUpAt = performance.now() + giveUpMs;
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 1.5, LONGEST_DELAY_MS)) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) throw new Error(`did not come: ${title}`);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

const GIVE_UP_MS = 5_000;
// Most things come soon. A look may be a request of its own, and many of them would slow down what is waited for.
const FIRST_DELAY_MS = 5;
const LONGEST_DELAY_MS = 100;
