/** Runs one piece of work at a time for an id. Callers that ask while it runs share its result. */
export class SingleFlight<Result> {
  readonly #running = new Map<string, Promise<Result>>();

  run(id: string, begin: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(id);
    if (running !== undefined) return running;
    const started = begin().finally(() => this.#running.delete(id));
    this.#running.set(id, started);
    return started;
  }
}
