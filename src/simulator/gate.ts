import type { Outlet } from './outlet.ts';
import type { Gate } from './play.ts';

/** Counts the steps a held answer may still take. Steps released before the answer asks for them are not lost. */
export class StepGate implements Gate {
  readonly #outlet: Outlet;
  #steps = 0;
  #open: (() => void) | null = null;

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  release(steps: number): void {
    this.#steps += steps;
    this.#open?.();
  }

  async pass(): Promise<void> {
    if (this.#steps < 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#open = resolve;
      await this.#outlet.wait(promise);
    }
    this.#steps -= 1;
  }
}
