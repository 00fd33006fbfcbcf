import { endOfAnswer, rawBody } from './api-key.ts';
import type { AddedKey, Person, Sent } from './person.ts';

/** The same person at work in another workspace than their own. */
export function inWorkspace(person: Person, workspaceId: string): Person {
  return {
    ...person,
    workspaceId,
    addKey: (provider = 'OPENAI', secret = `sk-sim-${crypto.randomUUID()}`, more = {}) =>
      person.run<AddedKey>('add-api-key', { input: { workspaceId, provider, secret, ...more } }),
    ask: async (text, models, threadId) => {
      const input = { threadId: threadId ?? (await newThread(person, workspaceId)), text };
      const modelIds = models.map(({ id }) => id);
      return await person.run<Sent>('send-message', { input: { ...input, modelIds } });
    },
  };
}

/** Creates a thread that every member of the workspace sees, and returns its id. */
export async function newThread(person: Person, workspaceId: string): Promise<string> {
  const input = { workspaceId, visibility: 'WORKSPACE' };
  return (await person.run<{ thread: { id: string } }>('create-thread', { input })).thread.id;
}

/** Asks one model, waits for the end of its answer and gives that as `reader` sees it. */
export async function answerOf(person: Person, model: { id: string }, reader = person): Promise<EndedAnswer> {
  const { answers } = await person.ask(`Question ${crypto.randomUUID()}`, [model]);
  const id = answers[0]?.id ?? '';
  await endOfAnswer(person, id);
  return await readAnswer(reader, id);
}

/** An answer and who paid for it. */
export async function readAnswer(reader: Person, id: string): Promise<EndedAnswer> {
  const { data } = await rawBody(
    reader,
    `query ($id: ID!) { node(id: $id) { ... on Answer {
      id status paidBy apiKey { id label } model { id } error { code message fixableBy } thread { id } } } }`,
    { id },
  );
  return data.node as EndedAnswer;
}

export interface EndedAnswer {
  id: string;
  status: string;
  paidBy: string;
  /** Null unless the reader may manage the key. */
  apiKey: { id: string; label: string } | null;
  model: { id: string };
  error: { code: string; message: string; fixableBy: string } | null;
  thread: { id: string };
}
