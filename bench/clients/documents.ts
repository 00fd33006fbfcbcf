import { readFileSync } from 'node:fs';

/** The documents that Latchkey is asked with: those that it publishes. */
export const CREATE_THREAD = documentOf('create-thread');
export const SEND_MESSAGE = documentOf('send-message');
export const ANSWER_EVENTS = documentOf('answer-events');
export const THREAD_EVENTS = documentOf('thread-events');
export const WORKSPACE_EVENTS = documentOf('workspace-events');
export const THREAD = documentOf('thread');
export const THREADS = documentOf('threads');

function documentOf(operation: string): string {
  return readFileSync(new URL(`../../schema/operations/${operation}.graphql`, import.meta.url), 'utf8');
}

/** What these documents give back, as far as the benchmark reads it. */
export type CreateThread = { createThread: { __typename: string; thread: { id: string } } };

export type SendMessage = { sendMessage: { __typename: string; answers: Message[] } };

export interface Message {
  id: string;
  text: string;
  /** Undefined for a message by a person. */
  modelName?: string;
}

export type AnswerEvent =
  | { __typename: 'AnswerDelta'; answerId: string; offset: number; text: string }
  | { __typename: 'AnswerFinished'; answer: Message }
  | { __typename: 'AnswerFailed' | 'AnswerRetrying' };

export type ThreadEvent =
  | AnswerEvent
  | { __typename: 'ThreadSnapshot'; writing: Message[] }
  | { __typename: 'MessageAdded'; message: Message }
  | { __typename: 'ThreadUpdated' };
