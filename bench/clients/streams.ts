import { inGroups } from '../in-groups.ts';
import { quantile } from '../quantile.ts';
import { MODELS, type Prompt, type Run, tokensOf } from '../run.ts';
import { type Asked, type Asker, openAsker, type Question } from './asker.ts';
import { Reader } from './reader.ts';
import type { Target } from './target.ts';
import { openWatcher, type WatchBy, type Watcher } from './watcher.ts';

/** How the answers of a run are followed: each by the one who asks, or all by watchers of a single answer. */
export type Following =
  | { by: 'asker'; subscription: 'answer-events' | 'thread-events'; models: number }
  | { by: 'watchers'; subscription: WatchBy; watchers: number };

export interface StreamsInput {
  target: Target;
  run: Run;
  following: Following;
}

interface Conversation {
  asker: Asker;
  readers: Reader[];
  tokens: ReadonlyMap<Reader, string[]>;
}

/** The clients of one run, from connecting to the ends of all answers. */
export class Streams {
  readonly #input: StreamsInput;
  readonly #conversations: Conversation[];
  /** Those of the first conversation. */
  readonly watchers: Watcher[];
  #asked: Asked = { threadId: '', answerId: '' };

  private constructor(input: StreamsInput, conversations: Conversation[], watchers: Watcher[]) {
    this.#input = input;
    this.#conversations = conversations;
    this.watchers = watchers;
  }

  /** Connects everybody; nothing is asked yet. */
  static async open(input: StreamsInput): Promise<Streams> {
    const { run, following, target } = input;
    const numbers = Array.from({ length: run.streams }, (_, stream) => stream);
    const conversations = await inGroups(numbers, OPENED_AT_ONCE, (stream) => converse(input, stream));
    const readers = following.by === 'watchers' ? (conversations[0]?.readers ?? []) : [];
    const watchers = await inGroups(readers, OPENED_AT_ONCE, (reader, number) =>
      openWatcher(target, watchBy(following), number, reader),
    );
    return new Streams(input, conversations, watchers);
  }

  /** Asks, so many at once: the next do when each of those before has its first token. */
  async start(atOnce: number): Promise<{ firstMs: number[]; frames: number }> {
    await inGroups(this.#conversations, atOnce, async ({ asker, readers }) => {
      for (const reader of readers) reader.begin();
      this.#asked = await asker.ask();
      for (const watcher of this.watchers) watcher.watch(this.#asked);
      await Promise.all(readers.map((reader) => reader.first()));
    });
    return { firstMs: this.#readers.map(({ firstMs }) => firstMs), frames: this.#frames };
  }

  /** Resolves when every reader has so many tokens; those are left out who have left or do not read. */
  async reach(
    tokens: number,
    isLeftOut: (reader: Reader) => boolean = () => false,
  ): Promise<{ frames: number }> {
    await Promise.all(
      this.#readers
        .filter((reader) => !isLeftOut(reader))
        .map((reader) => reader.reach(this.lengthOf(reader, tokens))),
    );
    return { frames: this.#frames };
  }

  /** Resolves when all answers have ended, each with the provider's text. */
  async end(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.end()));
    this.close();
  }

  close(): void {
    for (const { asker } of this.#conversations) asker.close();
    for (const watcher of this.watchers) watcher.leave();
  }

  /** Connects somebody again who has left, as the same reader. */
  async reconnect(number: number): Promise<void> {
    const { target, following } = this.#input;
    const reader = this.watchers[number]?.reader;
    if (reader === undefined) throw new Error(`there is no watcher ${number}`);
    const watcher = await openWatcher(target, watchBy(following), number, reader);
    this.watchers[number] = watcher;
    watcher.watch(this.#asked);
  }

  /** Length of the text of the first tokens. */
  lengthOf(reader: Reader, tokens: number): number {
    const all = this.#conversations.find(({ readers }) => readers.includes(reader))?.tokens.get(reader) ?? [];
    return all.slice(0, tokens).reduce((length, token) => length + token.length, 0);
  }

  /** Times from the moment at which the provider sent a token until a reader had it, over all tokens but the first. */
  delays(sentAtMs: readonly number[][], isLeftOut: (reader: Reader) => boolean = () => false) {
    const delays = this.#conversations.flatMap(({ readers, tokens }, stream) =>
      readers
        .filter((reader) => !isLeftOut(reader))
        .flatMap((reader) => delaysOf(reader, tokens.get(reader) ?? [], sentAtMs[stream] ?? [])),
    );
    return { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) };
  }

  get #readers(): Reader[] {
    return this.#conversations.flatMap(({ readers }) => readers);
  }

  get #frames(): number {
    return this.#readers.reduce((sum, { frames }) => sum + frames, 0);
  }
}

const OPENED_AT_ONCE = 50;

async function converse({ target, run, following }: StreamsInput, stream: number): Promise<Conversation> {
  const prompt: Prompt = { ...run, stream };
  const models = MODELS.slice(0, following.by === 'asker' ? following.models : 1);
  const byModel = new Map(models.map((model) => [model, tokensOf(prompt, model)]));
  const readerOf = (model: string, name: string) =>
    new Reader(name, model, (byModel.get(model) ?? []).join(''));
  const readers =
    following.by === 'asker'
      ? models.map((model) => readerOf(model, `stream ${stream} of ${model}`))
      : Array.from({ length: following.watchers }, (_, number) =>
          readerOf(models[0] ?? '', `watcher ${number}`),
        );
  const question: Question = {
    prompt,
    models,
    follow: following.by === 'asker' ? following.subscription : 'nothing',
    readersByModel: new Map(following.by === 'asker' ? readers.map((reader) => [reader.model, reader]) : []),
  };
  const tokens = new Map(readers.map((reader) => [reader, byModel.get(reader.model) ?? []]));
  return { asker: await openAsker(target, question), readers, tokens };
}

function watchBy(following: Following): WatchBy {
  return following.subscription;
}

function delaysOf({ arrivals }: Reader, tokens: readonly string[], sentAtMs: readonly number[]): number[] {
  const delays: number[] = [];
  let length = tokens[0]?.length ?? 0;
  let next = 0;
  for (const [index, sentMs] of sentAtMs.entries()) {
    length += tokens[index + 1]?.length ?? 0;
    while (next < arrivals.length && (arrivals[next]?.length ?? 0) < length) next += 1;
    const arrival = arrivals[next];
    if (arrival !== undefined) delays.push(arrival.atMs - sentMs);
  }
  return delays;
}
