import { inGroups } from '../in-groups.ts';
import { MODELS, type Prompt, type Run, tokensOf } from '../run.ts';
import { type Asked, type Asker, openAsker } from './asker.ts';
import { Reader } from './reader.ts';
import type { Target } from './target.ts';
import { openWatcher, type WatchBy, type Watcher } from './watcher.ts';

/** How the answers of a run are followed: each by the one who asks, or each by so many watchers. */
export type Following =
  | { by: 'asker'; subscription: 'answer-events' | 'thread-events'; models: number }
  | { by: 'watchers'; subscription: WatchBy; watchers: number | readonly number[] };

export interface StreamsInput {
  target: Target;
  run: Run;
  following: Following;
  /** Where answers are asked for and watched, if the target is several servers: stream by stream, in turns. */
  places?: { askAt: readonly string[]; watchAt: readonly string[] };
}

interface Conversation {
  asker: Asker;
  readers: Reader[];
  /** Those of its readers who are not the asker. */
  watchers: Watcher[];
  asked: Asked;
}

/** The clients of one run, from connecting to the ends of all answers. */
export class Streams {
  readonly #input: StreamsInput;
  readonly #conversations: Conversation[];

  private constructor(input: StreamsInput, conversations: Conversation[]) {
    this.#input = input;
    this.#conversations = conversations;
  }

  /** Connects everybody; nothing is asked yet. */
  static async open(input: StreamsInput): Promise<Streams> {
    const { run, following } = input;
    const numbers = Array.from({ length: run.streams }, (_, stream) => stream);
    const conversations = await inGroups(numbers, OPENED_AT_ONCE, (stream) => converse(input, stream));
    const seats = following.by === 'watchers' ? conversations.flatMap(seatsOf) : [];
    await inGroups(seats, OPENED_AT_ONCE, (seat) => sit(input, seat));
    return new Streams(input, conversations);
  }

  /** Asks, so many at once: the next do when each of those before has its first token. */
  async start(atOnce: number): Promise<{ firstMs: number[]; frames: number }> {
    await inGroups(this.#conversations, atOnce, async (conversation) => {
      const { asker, readers, watchers } = conversation;
      for (const reader of readers) reader.begin();
      conversation.asked = await asker.ask();
      for (const watcher of watchers) watcher.watch(conversation.asked);
      await Promise.all(readers.map((reader) => reader.first()));
    });
    return { firstMs: this.#readers.map(({ firstMs }) => firstMs), frames: this.#frames };
  }

  /** Resolves when every reader who reads has so many tokens. */
  async reach(tokens: number): Promise<{ frames: number }> {
    await Promise.all(this.#reading.map((reader) => reader.reach(tokens)));
    return { frames: this.#frames };
  }

  /** Times from the moments at which the provider sent its tokens, by stream, until those who read had them. */
  delaysMs(sentAtMs: readonly number[][]): number[] {
    const reading = new Set(this.#reading);
    return this.#conversations.flatMap(({ readers }, stream) =>
      readers.flatMap((reader) => (reading.has(reader) ? reader.delaysMs(sentAtMs[stream] ?? []) : [])),
    );
  }

  /** Resolves when all answers have ended, each with the provider's text. */
  async end(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.end()));
    this.close();
  }

  close(): void {
    for (const { asker, watchers } of this.#conversations) {
      asker.close();
      for (const watcher of watchers) watcher.leave();
    }
  }

  /** The last watcher stops to read from the network. */
  stall(): void {
    const { reader, pause } = this.#last;
    reader.canBeLost = true;
    pause();
  }

  /** It reads on, connecting again if the server has cut it off. Resolves with the frames that took. */
  async unstall(tokens: number): Promise<{ frames: number }> {
    const { reader, resume } = this.#last;
    const { frames } = reader;
    reader.canBeLost = false;
    if (reader.isLost) await this.#reconnect(this.#only.watchers.length - 1);
    else resume();
    await reader.reach(tokens);
    return { frames: reader.frames - frames };
  }

  /** Each watcher leaves at a random moment before it has so many tokens. Resolves when all have left. */
  async drop(beforeTokens: number): Promise<void> {
    await Promise.all(
      this.#only.watchers.map(async ({ reader, leave }) => {
        await reader.reach(1 + Math.floor(Math.random() * (beforeTokens - 1)));
        leave();
      }),
    );
  }

  /** All watchers come back at once. Resolves with what it took until each has so many tokens. */
  async resume(tokens: number): Promise<{ resumeMs: number[]; frames: number }> {
    const frames = this.#frames;
    const resumeMs = await Promise.all(
      this.#only.watchers.map(async ({ reader }, number) => {
        const startMs = performance.now();
        await this.#reconnect(number);
        await reader.reach(tokens);
        return performance.now() - startMs;
      }),
    );
    return { resumeMs, frames: this.#frames - frames };
  }

  async #reconnect(number: number): Promise<void> {
    const conversation = this.#only;
    const reader = conversation.watchers[number]?.reader;
    if (reader === undefined) throw new Error(`there is no watcher ${number}`);
    const watcher = await sit(this.#input, { conversation, stream: 0, reader, number });
    watcher.watch(conversation.asked);
  }

  get #last(): Watcher {
    const last = this.#only.watchers.at(-1);
    if (last === undefined) throw new Error('there are no watchers');
    return last;
  }

  /** For what is done with the watchers of a single answer. */
  get #only(): Conversation {
    const [conversation, ...others] = this.#conversations;
    if (conversation === undefined || others.length > 0) throw new Error('there is not one conversation');
    return conversation;
  }

  get #readers(): Reader[] {
    return this.#conversations.flatMap(({ readers }) => readers);
  }

  get #reading(): Reader[] {
    return this.#readers.filter(({ canBeLost }) => !canBeLost);
  }

  get #frames(): number {
    return this.#readers.reduce((sum, { frames }) => sum + frames, 0);
  }
}

const OPENED_AT_ONCE = 50;

/** A place of a watcher among those of a conversation. */
interface Seat {
  conversation: Conversation;
  /** Number of the conversation. */
  stream: number;
  reader: Reader;
  number: number;
}

function seatsOf(conversation: Conversation, stream: number): Seat[] {
  return conversation.readers.map((reader, number) => ({ conversation, stream, reader, number }));
}

/** Connects the watcher of a seat. */
async function sit(
  { target, following, places }: StreamsInput,
  { conversation, stream, reader, number }: Seat,
): Promise<Watcher> {
  if (following.by !== 'watchers') throw new Error('there are no watchers');
  const watcher = await openWatcher(
    at(target, places?.watchAt, stream),
    following.subscription,
    stream + number,
    reader,
  );
  conversation.watchers[number] = watcher;
  return watcher;
}

function at(target: Target, urls: readonly string[] | undefined, stream: number): Target {
  const url = urls?.[stream % urls.length];
  return url === undefined ? target : { ...target, url };
}

async function converse(
  { target, run, following, places }: StreamsInput,
  stream: number,
): Promise<Conversation> {
  const prompt: Prompt = { ...run, stream };
  const isFollowed = following.by === 'asker';
  const models = MODELS.slice(0, isFollowed ? following.models : 1);
  const readers = models.flatMap((model) => {
    const tokens = tokensOf(prompt, model);
    const text = tokens.join('');
    const name = `stream ${stream} of ${model}`;
    if (isFollowed) return [new Reader(name, model, tokens, text)];
    const { watchers } = following;
    const length = typeof watchers === 'number' ? watchers : (watchers[stream] ?? 0);
    return Array.from({ length }, (_, number) => new Reader(`watcher ${number}`, model, tokens, text));
  });
  const asker = await openAsker(at(target, places?.askAt, stream), {
    prompt,
    models,
    follow: isFollowed ? following.subscription : 'nothing',
    readersByModel: new Map(isFollowed ? readers.map((reader) => [reader.model, reader]) : []),
  });
  return { asker, readers, watchers: [], asked: { threadId: '', answerId: '' } };
}
