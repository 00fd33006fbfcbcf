import { failureName, log } from './log.ts';

/** Work that one server of all does now and then, for all of them. */
export interface RegularWork {
  /** Whether it is for this server to do. */
  isTurn(): Promise<boolean>;
  work(): Promise<void>;
  everyMs: number;
  /** What the log says when it fails; the next round tries again. */
  whenItFails: string;
}

/** Does the work at the start and then regularly, one round at a time. Returns a function that stops it. */
export function startRounds({ isTurn, work, everyMs, whenItFails }: RegularWork): () => Promise<void> {
  let round: Promise<void> | undefined;
  function begin(): void {
    round ??= isTurn()
      .then(async (isOurs) => {
        if (isOurs) await work();
      })
      .catch((error: unknown) => log.warn({ failure: failureName(error) }, whenItFails))
      .finally(() => {
        round = undefined;
      });
  }
  begin();
  const timer = setInterval(begin, everyMs).unref();
  return async () => {
    clearInterval(timer);
    await round;
  };
}
