import { inArray } from 'drizzle-orm';
import {
  buildClientSchema,
  getIntrospectionQuery,
  type IntrospectionQuery,
  Kind,
  parse,
  type SelectionSetNode,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { addKey, bodyText, endOfAnswer } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import {
  type Cast,
  ownerInput,
  sharedTeam,
  sharedWorkspace,
  signUpCast,
  teamWorkspace,
} from './kit/people.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { inWorkspace, newThread } from './kit/place.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { documentsOf, type Entry, entriesOf } from './kit/tenancy-schema.ts';
import { openTransport } from './kit/tenancy-transport.ts';

/**
 * A member who may use a shared key must not read from the API what it is: one who asks for everything that the schema leads
 * to finds neither secret nor ciphertext, and no label, hint or base URL either, which show whose account pays and where.
 */
let server: TestServer;
let cast: Cast;
/** Everything that has an id which the cast could come by. */
let ids: string[];
let threadIds: string[];
let answerIds: string[];
let workspaceIds: string[];
let keyIds: string[];
let modelId: string;

/** Found in answers to those who manage the keys, and in no others. */
const facts: Record<string, string> = {};
/** Found nowhere. */
const secrets: Record<string, string> = {};

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
  const { owner } = cast;
  const shared = await sharedWorkspace(cast);
  const team = await sharedTeam(cast);
  const room = await teamWorkspace(cast, team);
  workspaceIds = [shared, room];
  const added: AddedKey[] = [];
  for (const [name, tenantId] of Object.entries({ shared, team })) {
    const label = `label-canary-${name}-${crypto.randomUUID()}`;
    // No id and no token has such characters.
    const hint = name === 'shared' ? '~Q!Z' : '!Z~Q';
    const secret = `sk-sim-canary-${crypto.randomUUID()}${hint}`;
    const baseUrl = server.simulator.baseUrls.CUSTOM;
    const input = { workspaceId: null, ...ownerInput(tenantId), provider: 'CUSTOM', label, secret, baseUrl };
    const result = await addKey(owner, input);
    expect(result).toMatchObject({ __typename: 'AddApiKeyPayload', apiKey: { hint } });
    added.push(result);
    Object.assign(facts, { [`${name} label`]: label, [`${name} hint`]: hint });
    Object.assign(secrets, formsOf(name, Buffer.from(secret)));
  }
  facts['base URL'] = new URL(server.simulator.baseUrls.CUSTOM).host;
  keyIds = added.map(({ apiKey }) => apiKey.id);
  for (const row of await server.app.db.select().from(apiKeys).where(inArray(apiKeys.id, keyIds))) {
    Object.assign(secrets, formsOf(`ciphertext of ${row.id}`, Buffer.from(row.ciphertext)));
    Object.assign(secrets, formsOf(`tag of ${row.id}`, Buffer.from(row.tag)));
  }

  threadIds = [];
  answerIds = [];
  for (const [index, workspaceId] of workspaceIds.entries()) {
    const threadId = await newThread(owner, workspaceId);
    const models = added[index]?.models.slice(0, 1) ?? [];
    for (const text of ['Hello', 'Hello\nsimulate: cut']) {
      const { answers } = await inWorkspace(owner, workspaceId).ask(text, models, threadId);
      const id = answers[0]?.id ?? '';
      await endOfAnswer(owner, id);
      answerIds.push(id);
    }
    threadIds.push(threadId);
  }
  modelId = added[0]?.models[0]?.id ?? '';
  ids = [...workspaceIds, team, ...keyIds, ...threadIds, ...answerIds, modelId];
});

afterAll(() => server.close());

describe('asking for everything that the schema leads to', () => {
  test.each(['member', 'viewer', 'admin', 'owner'] as const)(
    'finds of a shared key what a %s may know',
    async (name) => {
      const explored = await explore(cast[name]);
      const found = (marks: Record<string, string>) =>
        Object.keys(marks).filter((mark) => explored.texts.some((text) => text.includes(marks[mark] ?? '')));
      const isManager = name === 'owner' || name === 'admin';
      expect(found(secrets)).toEqual([]);
      expect(found(facts)).toEqual(isManager ? Object.keys(facts) : []);
      // It has reached the models and answers that these keys pay for.
      for (const id of [...answerIds, modelId])
        expect(explored.texts.some((text) => text.includes(id))).toBe(true);
      const bytes = explored.texts.reduce((total, text) => total + text.length, 0);
      say(
        `${name}: ${explored.paths.size} paths in ${explored.texts.length} answers and events, ` +
          `${Math.round(bytes / 1024)} KiB; found ${found(facts).join(', ') || 'nothing'} and no secret`,
      );
    },
    60_000,
  );

  test('asking for everything that the schema leads to is a search that finds a secret and a ciphertext in each of their forms', () => {
    expect(Object.keys(secrets).length).toBe(6 * 4);
    for (const mark of Object.values(secrets)) expect(mark.length).toBeGreaterThan(20);
  });
});

interface Explored {
  texts: string[];
  /** Every field that was asked for: `viewer.teams.apiKeys.nodes.label`. */
  paths: Set<string>;
}

/** Learns the schema from the server, then asks for all of it and follows what can be followed while a key changes. */
async function explore(person: Person): Promise<Explored> {
  const explored: Explored = { texts: [], paths: new Set() };
  const introspected = await bodyText(person, getIntrospectionQuery());
  const known = buildClientSchema((JSON.parse(introspected) as { data: IntrospectionQuery }).data);
  const documents = (entry: Entry, depth: number) => {
    const made = documentsOf(entry, { depth, leaves: 'all', first: 4, known });
    for (const document of made) for (const path of pathsOf(document)) explored.paths.add(path);
    return made;
  };
  for (const entry of entriesOf(known)) {
    const { operation, field } = entry;
    if (operation === 'query')
      for (const document of documents(entry, field.args.length === 0 ? 3 : 2))
        for (const variables of variablesOf(entry))
          explored.texts.push(await bodyText(person, document, variables));
    if (operation === 'subscription')
      explored.texts.push(...(await followed(person, entry, documents(entry, 2))));
    if (operation === 'mutation' && TRIED.has(field.name))
      for (const document of documents(entry, 2))
        for (const input of TRIED.get(field.name)?.() ?? [])
          explored.texts.push(await bodyText(person, document, { input }));
  }
  for (const text of explored.texts) expect(text).not.toMatch(/"(BAD_INPUT|DOCUMENT_LIMIT|INTERNAL)"/);
  return explored;
}

function variablesOf({ field }: Entry): object[] {
  if (field.args.length === 0) return [{}];
  // A few at a time: what each of many could bring would be refused.
  return field.args.some(({ name }) => name === 'ids')
    ? [{ ids: ids.slice(0, 5) }, { ids: ids.slice(5, 10) }, { ids: ids.slice(10) }]
    : ids.map((id) => ({ id }));
}

/** What changes nothing when it is refused, and little when it is not. */
const TRIED = new Map<string, () => object[]>([
  ['checkApiKey', () => keyIds.map((id) => ({ id }))],
  ['updateApiKey', () => keyIds.map((id) => ({ id, isEnabled: true }))],
  ['stopAnswer', () => answerIds.map((answerId) => ({ answerId }))],
  ['sendMessage', () => [{ threadId: threadIds[0], text: 'Hello', modelIds: [modelId] }]],
]);

/** The first event of a subscription, and that of a workspace about a key that is switched off and on. */
async function followed(person: Person, { field }: Entry, documents: readonly string[]): Promise<string[]> {
  const heard: string[] = [];
  const named: Record<string, readonly string[]> = {
    answerId: answerIds,
    threadId: threadIds,
    workspaceId: workspaceIds,
  };
  const [argument] = field.args;
  using socket = await openTransport('WebSocket', person.url, person.token);
  for (const document of documents)
    for (const id of named[argument?.name ?? ''] ?? [])
      heard.push(await socket.send(document, { [argument?.name ?? '']: id }));
  if (field.name !== 'workspaceEvents') return heard;

  const client = person.socket();
  let begun = 0;
  const results = documents.flatMap((query) =>
    workspaceIds.map((workspaceId) => client.iterate({ query, variables: { workspaceId } })),
  );
  const following = results.map(async (result) => {
    let isFirst = true;
    for await (const event of result) {
      if (isFirst) begun++;
      isFirst = false;
      heard.push(JSON.stringify(event));
    }
  });
  await eventually('all snapshots', () => begun === results.length);
  const before = heard.length;
  for (const isEnabled of [false, true])
    for (const id of keyIds) await cast.owner.run('update-api-key', { input: { id, isEnabled } });
  await eventually(
    'news of the keys to everybody who follows',
    () => heard.length >= before + results.length,
  );
  await client.dispose();
  await Promise.all(following);
  return heard;
}

function pathsOf(document: string): string[] {
  const [definition] = parse(document).definitions;
  if (definition?.kind !== Kind.OPERATION_DEFINITION) return [];
  const paths: string[] = [];
  function walk(set: SelectionSetNode, before: string): void {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) continue;
      const isField = selection.kind === Kind.FIELD;
      const name = isField ? selection.name.value : `(${selection.typeCondition?.name.value})`;
      const here = `${before}.${name}`;
      if (isField) paths.push(here);
      if (selection.selectionSet !== undefined) walk(selection.selectionSet, here);
    }
  }
  walk(definition.selectionSet, definition.operation);
  return paths;
}

/** How bytes may be written down in an answer. Their ends are left out, which in base64 depend on the neighbours. */
function formsOf(name: string, bytes: Buffer): Record<string, string> {
  return {
    [`${name} as it is`]: bytes.toString('latin1'),
    [`${name} in base64`]: bytes.toString('base64').slice(0, -4),
    [`${name} in base64url`]: bytes.toString('base64url').slice(0, -4),
    [`${name} in hex`]: bytes.toString('hex'),
  };
}
