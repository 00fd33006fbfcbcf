import { readFileSync } from 'node:fs';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** A person who is signed in, with what a program of theirs would do. */
export interface Person {
  id: string;
  email: string;
  /** Signed bearer token. */
  token: string;
  /** Their personal workspace. */
  workspaceId: string;
  url: string;
  /** Runs an operation of `schema/operations` by its file name and gives its only field; throws for a top-level error. */
  run<Result>(operation: string, variables?: object): Promise<Result>;
  /** A client for subscriptions over WebSocket. The caller disposes of it. */
  socket(): Client;
  /** Adds a key of the simulator and gives the models it offers. */
  addKey(provider?: string, secret?: string, more?: object): Promise<AddedKey>;
  /** Creates a thread and sends a first message to models by name. */
  ask(text: string, models: readonly { id: string }[], threadId?: string): Promise<Sent>;
}

export interface AddedKey {
  __typename: string;
  apiKey: { id: string; status: string; hint: string | null; statusMessage: string | null };
  models: NamedModel[];
}

export interface NamedModel {
  id: string;
  name: string;
  isAvailable: boolean;
}

export interface Sent {
  __typename: string;
  userMessage: { id: string; text: string };
  answers: { id: string; status: string; text: string; modelName: string }[];
  thread: { id: string; revision: number };
}

export async function signUp(url: string, name = 'Ada'): Promise<Person> {
  const email = `${name.toLowerCase()}-${crypto.randomUUID()}@example.com`;
  const response = await fetch(`${url}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ name, email, password: 'correct horse battery' }),
  });
  const token = response.headers.get('set-auth-token');
  if (token === null) throw new Error(`sign-up failed: ${response.status} ${await response.text()}`);
  return await personOf(url, email, token);
}

/** A person whose token is known already. */
export async function personOf(url: string, email: string, token: string): Promise<Person> {
  async function run<Result>(operation: string, variables: object = {}): Promise<Result> {
    const { data, errors } = await post(url, token, { query: documentOf(operation), variables });
    if (errors !== undefined) throw new Error(`${operation}: ${JSON.stringify(errors)}`);
    return Object.values(data ?? {})[0] as Result;
  }
  const viewer = await run<{ user: { id: string }; personalWorkspace: { id: string } }>('viewer');
  const workspaceId = viewer.personalWorkspace.id;
  return {
    id: viewer.user.id,
    email,
    token,
    workspaceId,
    url,
    run,
    socket: () =>
      createClient({
        url: `${url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${token}` },
      }),
    addKey: (provider = 'OPENAI', secret = `sk-sim-${crypto.randomUUID()}`, more = {}) =>
      run<AddedKey>('add-api-key', { input: { workspaceId, provider, secret, ...more } }),
    async ask(text, models, threadId) {
      const id =
        threadId ??
        (await run<{ thread: { id: string } }>('create-thread', { input: { workspaceId } })).thread.id;
      const modelIds = models.map((model) => model.id);
      return await run<Sent>('send-message', { input: { threadId: id, text, modelIds } });
    },
  };
}

export interface GraphQLResponse {
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions: { code: string } }[];
}

/** Posts an operation as any HTTP client would. */
export async function post(
  url: string,
  token: string | null,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<GraphQLResponse> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify(body),
  });
  return (await response.json()) as GraphQLResponse;
}

/** The text of a document of `schema/operations`. */
export function documentOf(operation: string): string {
  return readFileSync(new URL(`../../schema/operations/${operation}.graphql`, import.meta.url), 'utf8');
}
