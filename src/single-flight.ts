/** While something is under way for an id, whoever asks for the same joins in and gets the same result. */
export class SingleFlight<Result> {
  readonly #underWay = new Map<string, Promise<Result>>();

  run(id: string, begin: () => Promise<Result>): Promise<Result> {
    const joined = this.#underWay.get(id);
    if (joined !== undefined) return joined;
    const begun = begin().finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, begun);
    return begun;
  }
}
