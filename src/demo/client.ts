import { readFileSync } from 'node:fs';
import { createClient } from 'graphql-ws';
import sodium from 'libsodium-wrappers';
import { WebSocket } from 'ws';
import { sealApiKey } from '../../schema/seal.js';

/** A client over HTTP and WebSocket, without anything internal. */
export interface DemoClient {
  /** Runs an operation of `schema/operations` by its file name and returns its only field. Throws unless it succeeds. */
  run<Result>(operation: string, variables?: object): Promise<Result>;
  /** The events of one answer until it has ended. */
  follow(answerId: string): AsyncIterable<AnswerEvent>;
  close(): Promise<void>;
}

export type AnswerEvent =
  | { __typename: 'AnswerDelta'; part: 'TEXT' | 'REASONING'; offset: number; text: string }
  | { __typename: 'AnswerFinished'; answer: { text: string; reasoning: string } }
  | { __typename: 'AnswerRetrying' | 'AnswerFailed'; error: { message: string } };

export interface Usage {
  inputTokens: number | null;
  outputTokens: number | null;
}

/** Makes an account and returns a client that is signed in as it. The caller closes the client. */
export async function signUp(
  url: string,
  person: { name: string; email: string; password: string },
): Promise<DemoClient> {
  const response = await fetch(`${url}/api/auth/sign-up/email`, {
    method: 'POST',
    // Node's fetch sends the headers of a page, for which the server requires an origin.
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify(person),
  });
  if (!response.ok) throw new Error(`Sign-up failed with status ${response.status}.`);
  const authorization = `Bearer ${response.headers.get('set-auth-token')}`;
  const socket = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
  });
  return {
    async run<Result>(operation: string, variables = {}) {
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query: documentOf(operation), variables }),
      });
      const result = onlyField((await answer.json()) as GraphQLResult);
      if (typeof result === 'object' && result !== null && 'code' in result && 'message' in result)
        throw new Error(`${operation}: ${result.message}`);
      return result as Result;
    },
    async *follow(answerId) {
      const query = documentOf('answer-events');
      for await (const result of socket.iterate({ query, variables: { answerId } }))
        yield onlyField(result) as AnswerEvent;
    },
    async close() {
      await socket.dispose();
    },
  };
}

/** Seals a key as a browser would with `/seal.js`. */
export async function seal(
  workspace: { id: string; sealingKey: { id: string; publicKey: string } },
  provider: string,
  secret: string,
): Promise<{ keyId: string; box: string }> {
  await sodium.ready;
  const { id: owner, sealingKey } = workspace;
  return sealApiKey(sodium, { sealingKey, owner, provider, baseUrl: null, secret });
}

interface GraphQLResult {
  data?: Record<string, unknown> | null | undefined;
  errors?: readonly { message: string }[] | undefined;
}

function onlyField({ data, errors }: GraphQLResult): unknown {
  if (errors?.[0] !== undefined) throw new Error(errors[0].message);
  return Object.values(data ?? {})[0];
}

function documentOf(operation: string): string {
  return readFileSync(new URL(`../../schema/operations/${operation}.graphql`, import.meta.url), 'utf8');
}
