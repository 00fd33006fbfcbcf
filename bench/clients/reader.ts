import { monotonicMs } from '../process/monotonic.ts';

/** Collects one text as it arrives, and checks that it is what the provider sent. */
export class Reader {
  readonly name: string;
  readonly model: string;
  readonly expected: string;
  text = '';
  /** How many frames, or pieces of a body over HTTP, brought text. */
  frames = 0;
  /** From `begin` to the first text. */
  firstMs = Number.NaN;
  /** When the text had which length. */
  readonly arrivals: { length: number; atMs: number }[] = [];
  readonly #first = handled(Promise.withResolvers<void>());
  readonly #end = handled(Promise.withResolvers<void>());
  #goals: { length: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  #beganAtMs = 0;
  #failure: Error | undefined;

  constructor(name: string, model: string, expected: string) {
    this.name = name;
    this.model = model;
    this.expected = expected;
  }

  begin(): void {
    this.#beganAtMs = monotonicMs();
  }

  /** A frame has brought this text at this offset. What was there before may come again. */
  add(offset: number, piece: string): void {
    const { length } = this.text;
    if (offset > length) {
      this.fail(`has a gap from ${length} to ${offset}`);
      return;
    }
    const atMs = monotonicMs();
    if (length === 0) {
      this.firstMs = atMs - this.#beganAtMs;
      this.#first.resolve();
    }
    this.text += piece.slice(length - offset);
    this.frames += 1;
    this.arrivals.push({ length: this.text.length, atMs });
    if (this.#goals.length > 0) this.#goals = this.#goals.filter((goal) => !this.#reaches(goal));
  }

  /** The answer has ended. A server that stores answers sends the stored text. */
  finish(storedText = this.text): void {
    if (this.text !== this.expected) this.fail('is not what the provider sent');
    else if (storedText !== this.expected) this.fail('was stored with another text');
    else this.#end.resolve();
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

  /** Resolves as soon as the text has this length. */
  reach(length: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#failure !== undefined) reject(this.#failure);
    else if (this.text.length >= length) resolve();
    else this.#goals.push({ length, resolve, reject });
    return promise;
  }

  end(): Promise<void> {
    return this.#end.promise;
  }

  #reaches({ length, resolve }: { length: number; resolve: () => void }): boolean {
    if (this.text.length < length) return false;
    resolve();
    return true;
  }
}

/** A failure is thrown to whoever waits next; until somebody does it must not end the process. */
function handled<Resolvers extends PromiseWithResolvers<void>>(resolvers: Resolvers): Resolvers {
  resolvers.promise.catch(() => {});
  return resolvers;
}
