import type { Client } from 'graphql-ws';
import { documentOf } from './person.ts';

/** An event of `answerEvents` or `threadEvents`, with the fields that the documents of `schema/operations` ask for. */
export interface Event {
  __typename: string;
  messageId: string;
  part: 'TEXT' | 'REASONING';
  offset: number;
  text: string;
  attempt: number;
  error: { code: string; message: string; fixableBy: string; retryAt: string | null };
  message: EndedMessage;
  thread: { id: string; title: string; revision: number };
  threadId: string;
  writing: { id: string; text: string; reasoning: string; status: string }[];
}

export interface EndedMessage {
  id: string;
  role: string;
  status: string;
  text: string;
  reasoning: string;
  finishReason: string | null;
  providerFinishReason: string | null;
  usage: { inputTokens: number; outputTokens: number; isEstimated: boolean };
}

/** The events of a subscription, one by one. Leaving the loop ends the subscription. */
export function follow(client: Client, operation: string, variables: object): AsyncGenerator<Event> {
  const results = client.iterate<Record<string, Event>>({
    query: documentOf(operation),
    variables: variables as Record<string, unknown>,
  });
  return (async function* () {
    try {
      for await (const { data, errors } of results) {
        if (errors !== undefined) throw new Error(JSON.stringify(errors));
        for (const event of Object.values(data ?? {})) yield event;
      }
    } finally {
      await results.return?.();
    }
  })();
}

/** Follows an answer to its end with the rule of the schema's description and returns what a client then holds. */
export async function readAnswer(client: Client, messageId: string): Promise<Read> {
  const read: Read = { text: '', reasoning: '', deltas: 0, retries: 0, end: undefined };
  for await (const event of follow(client, 'answer-events', { messageId })) {
    if (event.__typename === 'AnswerRetrying') read.retries++;
    if (event.__typename === 'AnswerDelta') {
      read.deltas++;
      const part = event.part === 'TEXT' ? 'text' : 'reasoning';
      read[part] =
        read[part].slice(0, event.offset) + event.text + read[part].slice(event.offset + event.text.length);
    }
    if (event.__typename === 'AnswerFinished' || event.__typename === 'AnswerFailed') read.end = event;
  }
  return read;
}

export interface Read {
  text: string;
  reasoning: string;
  deltas: number;
  retries: number;
  end: Event | undefined;
}
