/**
 * Waits until `look` gives something: for facts that nobody announces, such as a row that a timer writes. Rejects after five
 * seconds, or as many as the test says, with the title of what did not come.
 */
export async function eventually<Found>(
  title: string,
  look: () => Promise<Found | null | undefined | false> | Found | null | undefined | false,
  giveUpMs = GIVE_UP_MS,
): Promise<Found> {
  const giveUpAt = performance.now() + giveUpMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) throw new Error(`did not come: ${title}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

const GIVE_UP_MS = 5_000;
const LOOK_EVERY_MS = 10;
