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
  /** Uploads a file into a workspace and returns it once it has been read. Throws if it is refused. */
  upload(workspaceId: string, file: { fileName: string; bytes: Buffer<ArrayBuffer> }): Promise<Attachment>;
  close(): Promise<void>;
}

export type AnswerEvent =
  | { __typename: 'AnswerDelta'; part: 'TEXT' | 'REASONING'; offset: number; text: string }
  | { __typename: 'AnswerFinished'; answer: { text: string; reasoning: string } }
  | { __typename: 'AnswerRetrying' | 'AnswerFailed'; error: { message: string } };

/** A file that can be sent. */
export interface Attachment {
  id: string;
  fileName: string;
  mediaType: string;
  width: number | null;
  height: number | null;
  pageCount: number | null;
}

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
  async function run<Result>(operation: string, variables = {}): Promise<Result> {
    const answer = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body: JSON.stringify({ query: documentOf(operation), variables }),
    });
    const result = onlyField((await answer.json()) as GraphQLResult);
    if (typeof result === 'object' && result !== null && 'code' in result && 'message' in result)
      throw new Error(`${operation}: ${result.message}`);
    return result as Result;
  }

  async function* subscribe<Event>(
    operation: string,
    variables: Record<string, unknown>,
  ): AsyncGenerator<Event> {
    for await (const result of socket.iterate({ query: documentOf(operation), variables }))
      yield onlyField(result) as Event;
  }

  return {
    run,
    follow: (answerId) => subscribe<AnswerEvent>('answer-events', { answerId }),
    async upload(workspaceId, { fileName, bytes }) {
      const input = { workspaceId, fileName, sizeBytes: bytes.length };
      const { attachment, upload } = await run<{
        attachment: Attachment;
        upload: { url: string; method: string; headers: { name: string; value: string }[] };
      }>('create-attachment', { input });
      const headers = Object.fromEntries(upload.headers.map(({ name, value }) => [name, value]));
      const events = subscribe<WorkspaceEvent>('workspace-events', { workspaceId });
      await events.next(); // from here on nothing is missed
      const { status } = await fetch(upload.url, { method: upload.method, headers, body: bytes });
      if (status !== 204) throw new Error(`The upload of ${fileName} failed with status ${status}.`);
      for await (const event of events) {
        if (event.__typename !== 'AttachmentUpdated' || event.attachment.id !== attachment.id) continue;
        if (event.attachment.status === 'REFUSED') throw new Error(event.attachment.refusal ?? fileName);
        if (event.attachment.status === 'READY') return event.attachment;
      }
      throw new Error(`${fileName} was never read.`);
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

type WorkspaceEvent =
  | { __typename: 'AttachmentUpdated'; attachment: Attachment & { status: string; refusal: string | null } }
  | { __typename: 'WorkspaceSnapshot' | 'ApiKeyUpdated' | 'ModelsUpdated' };

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
