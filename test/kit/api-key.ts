import sodium from 'libsodium-wrappers';
import { sealApiKey } from '../../schema/seal.js';
import { follow } from './answer.ts';
import { eventually } from './eventually.ts';
import { nodesOf, type Page } from './page.ts';
import type { AddedKey, NamedModel, Person } from './person.ts';

/** What a key operation gives: the fields of its payload, or those of an error. */
export interface KeyResult extends AddedKey {
  warning: string | null;
  code: string;
  message: string;
  fixableBy: string;
  retryAt: string | null;
  fields: { path: string; message: string }[];
  provider: string;
  sealingKey: SealingKey;
  removedId: string;
}

/** What a client seals with. */
export interface SealingKey {
  id: string;
  publicKey: string;
}

/** A key as the document `api-keys` gives it. */
export interface ListedKey {
  id: string;
  provider: string;
  label: string;
  hint: string | null;
  scope: string;
  /** Its place among the owner's keys of its provider, from 1. */
  position: number;
  status: string;
  statusMessage: string | null;
  isEnabled: boolean;
  baseUrl: string | null;
  lastUsedAt: string | null;
  expiresAt: string | null;
  modelsRefreshedAt: string | null;
}

/** A model as the document `models` gives it. */
export interface ListedModel extends NamedModel {
  unavailableReason: string | null;
  paidBy: string | null;
}

/** Adds a key to a person's own workspace. */
export async function addKey(person: Person, input: object): Promise<KeyResult> {
  return await person.run<KeyResult>('add-api-key', { input: { workspaceId: person.workspaceId, ...input } });
}

/** Seals a secret as a client does, for the person's own workspace unless another tenant is given. */
export async function seal(
  person: Person,
  content: {
    provider: string;
    baseUrl: string | null;
    secret: string;
    headers?: Record<string, string> | null;
    owner?: string;
  },
) {
  await sodium.ready;
  const sealingKey = await sealingKeyOf(person);
  return sealApiKey(sodium, { owner: person.workspaceId, ...content, sealingKey });
}

/** The key that a person's workspace is sealed for. */
export async function sealingKeyOf(person: Person): Promise<SealingKey> {
  const viewer = await person.run<{ personalWorkspace: { sealingKey: SealingKey } }>('viewer');
  return viewer.personalWorkspace.sealingKey;
}

/** The keys of a person's own workspace. */
export async function keysOf(person: Person): Promise<ListedKey[]> {
  const { workspaceId } = person;
  return nodesOf((await person.run<{ apiKeys: Page<ListedKey> }>('api-keys', { workspaceId })).apiKeys);
}

/** Waits until a key has this status: the outcome of an answer for its key is saved after its end was published. */
export async function untilStatus(person: Person, id: string, status: string): Promise<ListedKey> {
  return await eventually(`${id} is ${status}`, async () =>
    (await keysOf(person)).find((key) => key.id === id && key.status === status),
  );
}

/** The models of a person's own workspace. */
export async function modelsOf(person: Person): Promise<ListedModel[]> {
  const { workspaceId } = person;
  return nodesOf((await person.run<{ models: Page<ListedModel> }>('models', { workspaceId })).models);
}

/** Waits for the end of an answer and gives the id of its thread; `seen` gets every event. */
export async function endOfAnswer(person: Person, answerId: string, seen: string[] = []): Promise<string> {
  const client = person.socket();
  for await (const event of follow(client, 'answer-events', { answerId }))
    seen.push(`event ${JSON.stringify(event)}`);
  await client.dispose();
  const { data } = await rawBody(person, `{ node(id: "${answerId}") { ... on Message { thread { id } } } }`);
  return (data.node as { thread: { id: string } }).thread.id;
}

/** The body of a response, byte for byte. */
export async function bodyText(
  { url, token }: Pick<Person, 'url' | 'token'>,
  query: string,
  variables: object = {},
): Promise<string> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  return await response.text();
}

/** The body of a response to a document that is in no file. */
export async function rawBody(
  person: Pick<Person, 'url' | 'token'>,
  query: string,
  variables: object = {},
): Promise<{ data: Record<string, unknown> }> {
  return JSON.parse(await bodyText(person, query, variables));
}
