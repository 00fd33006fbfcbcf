import type { Prompt } from '../run.ts';
import { openAiSdkAsker, openPipeAsker } from './http-asker.ts';
import { openLatchkeyAsker } from './latchkey-asker.ts';
import type { Reader } from './reader.ts';
import { openRawAsker, openYogaAsker } from './socket-asker.ts';
import type { Target } from './target.ts';

/** A client that asks. It is connected before, and whatever it needs beside the answer is there. */
export interface Asker {
  /** Resolves with what others need to follow the answer. */
  ask(): Promise<Asked>;
  close(): void;
}

export interface Asked {
  threadId: string;
  answerId: string;
}

/** What is asked, and how the one who asks follows. */
export interface Question {
  prompt: Prompt;
  models: readonly string[];
  follow: 'answer-events' | 'thread-events' | 'nothing';
  /** One per model. */
  readersByModel: ReadonlyMap<string, Reader>;
}

/** Gets a client ready to ask. */
export async function openAsker(target: Target, question: Question): Promise<Asker> {
  switch (target.kind) {
    case 'http-pipe':
      return openPipeAsker(target.url, question);
    case 'ai-sdk':
      return openAiSdkAsker(target.url, question);
    case 'raw-ws':
      return await openRawAsker(target.url, question);
    case 'stock-yoga':
      return await openYogaAsker(target.url, question);
    case 'latchkey':
      return await openLatchkeyAsker(target, question);
    default:
      return target satisfies never;
  }
}

/** The reader of a question to a single model. */
export function onlyReader({ readersByModel }: Question): Reader {
  const [reader] = readersByModel.values();
  if (reader === undefined) throw new Error('there is no reader');
  return reader;
}
