import { monotonicMs } from '../process/monotonic.ts';

/** Reads one text as it arrives, and checks that it is what the provider sent. */
export class Reader {
  readonly name: string;
  readonly model: string;
  readonly tokens: readonly string[];
  readonly #expected: string;
  /** Length of the text so far. */
  length = 0;
  /** How many frames, or pieces of a body over HTTP, contained text. */
  frames = 0;
  /** From `begin` to the first text. */
  firstMs = Number.NaN;
  /** Whether its connection may be lost, and whether it was. */
  canBeLost = false;
  isLost = false;
  /** When the text had which length. */
  readonly #arrivals: { length: number; atMs: number }[] = [];
  readonly #first = handled(Promise.withResolvers<void>());
  readonly #end = handled(Promise.withResolvers<void>());
  #goals: { length: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #beganAtMs = 0;
  #failure: Error | undefined;

  constructor(name: string, model: string, tokens: readonly string[], expected: string) {
    this.name = name;
    this.model = model;
    this.tokens = tokens;
    this.#expected = expected;
  }

  begin(): void {
    this.#beganAtMs = monotonicMs();
  }

  /** A frame had this text at this offset. Text from before may come again. */
  add(offset: number, piece: string): void {
    const end = offset + piece.length;
    if (offset > this.length) this.fail(`has a gap from ${this.length} to ${offset}`);
    if (!this.#expected.startsWith(piece, offset)) this.fail(`is not what the provider sent, from ${offset}`);
    if (this.#failure !== undefined || end <= this.length) return;
    const atMs = monotonicMs();
    if (this.length === 0) {
      this.firstMs = atMs - this.#beganAtMs;
      this.#first.resolve();
    }
    this.length = end;
    this.frames += 1;
    this.#arrivals.push({ length: end, atMs });
    if (this.#goals.length > 0) this.#goals = this.#goals.filter((goal) => !this.#reaches(goal));
  }

  /** The answer has ended. A server that stores answers sends the stored text. */
  finish(storedText?: string): void {
    if (this.length !== this.#expected.length) this.fail(`ended after ${this.length} characters`);
    else if (storedText !== undefined && storedText !== this.#expected)
      this.fail('was stored with another text');
    else this.#end.resolve();
  }

  /** The connection is gone. */
  lose(reason: string): void {
    if (this.canBeLost) this.isLost = true;
    else this.fail(reason);
  }

  fail(reason: string): void {
    this.#failure ??= new Error(`${this.name} ${reason}`);
    this.#first.reject(this.#failure);
    this.#end.reject(this.#failure);
    for (const { reject } of this.#goals) reject(this.#failure);
  }

  first(): Promise<void> {
    return this.#first.promise;
  }

  /** Resolves as soon as so many tokens are there. */
  reach(tokens: number): Promise<void> {
    const length = lengthOf(this.tokens.slice(0, tokens));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#failure !== undefined) reject(this.#failure);
    else if (this.length >= length) resolve();
    else this.#goals.push({ length, resolve, reject });
    return promise;
  }

  end(): Promise<void> {
    return this.#end.promise;
  }

  /** Times from the moments at which the provider sent each token after the first until it was here. */
  delaysMs(sentAtMs: readonly number[]): number[] {
    const delays: number[] = [];
    let length = this.tokens[0]?.length ?? 0;
    let next = 0;
    for (const [index, sentMs] of sentAtMs.entries()) {
      length += this.tokens[index + 1]?.length ?? 0;
      while (next < this.#arrivals.length && (this.#arrivals[next]?.length ?? 0) < length) next += 1;
      const arrival = this.#arrivals[next];
      if (arrival !== undefined) delays.push(arrival.atMs - sentMs);
    }
    return delays;
  }

  #reaches({ length, resolve }: { length: number; resolve: () => void }): boolean {
    if (this.length < length) return false;
    resolve();
    return true;
  }
}

function lengthOf(tokens: readonly string[]): number {
  return tokens.reduce((length, token) => length + token.length, 0);
}

/** A failure is thrown to the next caller that waits; until then it must not end the process. */
function handled<Resolvers extends PromiseWithResolvers<void>>(resolvers: Resolvers): Resolvers {
  resolvers.promise.catch(() => {});
  return resolvers;
}
