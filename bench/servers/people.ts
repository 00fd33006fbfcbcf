import type { LatchkeyTarget, Person, Place } from '../clients/target.ts';
import { inGroups } from '../in-groups.ts';

/** Signs people up, each with a key of the provider, and makes a workspace that all of them share. */
export async function signPeopleUp(
  url: string,
  baseUrl: string,
  count: number,
): Promise<Pick<LatchkeyTarget, 'people' | 'shared'>> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  const people = await inGroups(numbers, SIGNED_UP_AT_ONCE, (number) => signUp(url, baseUrl, number));
  const [owner, ...others] = people;
  if (owner === undefined) throw new Error('nobody was to sign up');
  const { createWorkspace } = await post<{ createWorkspace: { workspace: { id: string } } }>(
    url,
    owner.token,
    `mutation ($input: CreateWorkspaceInput!) {
      createWorkspace(input: $input) {
        ... on CreateWorkspacePayload { workspace { id } } ... on UserError { message }
      }
    }`,
    { input: { name: 'Shared' } },
  );
  const workspaceId = createWorkspace.workspace.id;
  const shared = await addKey(url, owner.token, workspaceId, baseUrl);
  for (const { token } of others) await join(url, workspaceId, owner.token, token);
  return { people, shared };
}

const SIGNED_UP_AT_ONCE = 4; // what hashing passwords can use of a small machine

async function signUp(url: string, baseUrl: string, number: number): Promise<Person> {
  const response = await fetch(`${url}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({
      name: 'Ada',
      email: `ada-${number}@example.com`,
      password: 'correct horse battery',
    }),
  });
  const token = response.headers.get('set-auth-token');
  if (token === null) throw new Error(`sign-up: ${response.status} ${await response.text()}`);
  const { viewer } = await post<{ viewer: { personalWorkspace: { id: string } } }>(
    url,
    token,
    '{ viewer { personalWorkspace { id } } }',
  );
  return {
    token,
    address: `127.0.1.${number + 1}`,
    personal: await addKey(url, token, viewer.personalWorkspace.id, baseUrl),
  };
}

async function addKey(url: string, token: string, workspaceId: string, baseUrl: string): Promise<Place> {
  const { addApiKey } = await post<{ addApiKey: { models?: { id: string; name: string }[] } }>(
    url,
    token,
    `mutation ($input: AddApiKeyInput!) {
      addApiKey(input: $input) { ... on AddApiKeyPayload { models { id name } } ... on UserError { message } }
    }`,
    { input: { workspaceId, provider: 'CUSTOM', secret: 'sk-bench', baseUrl } },
  );
  if (addApiKey.models === undefined) throw new Error(`addApiKey: ${JSON.stringify(addApiKey)}`);
  return { workspaceId, models: Object.fromEntries(addApiKey.models.map(({ id, name }) => [name, id])) };
}

async function join(url: string, workspaceId: string, ownerToken: string, token: string): Promise<void> {
  const { createInvitation } = await post<{ createInvitation: { token: string } }>(
    url,
    ownerToken,
    `mutation ($input: CreateInvitationInput!) {
      createInvitation(input: $input) { ... on CreateInvitationPayload { token } ... on UserError { message } }
    }`,
    { input: { workspaceId, role: 'MEMBER' } },
  );
  await post(
    url,
    token,
    `mutation ($input: AcceptInvitationInput!) {
      acceptInvitation(input: $input) {
        ... on AcceptInvitationPayload { workspace { id } } ... on UserError { message }
      }
    }`,
    { input: { token: createInvitation.token } },
  );
}

async function post<Data>(url: string, token: string, query: string, variables = {}): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}
