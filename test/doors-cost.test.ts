import { readdirSync } from 'node:fs';
import { getIntrospectionQuery, parse } from 'graphql';
import { describe, expect, test } from 'vitest';
import { follow, TRANSPORTS } from './kit/answer.ts';
import { rawBody } from './kit/api-key.ts';
import { costOf } from './kit/document.ts';
import { documentOf, post } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();

const pages = 'fragment M on Thread { messages(first: $n) { nodes { id text } } }';
const nested = `query Nested($n: Int) { viewer { personalWorkspace { threads(first: $n) { nodes { id ...M } } } } } ${pages}`;

describe('the cost of an operation', () => {
  test('the cost of an operation is known for every document that clients start from, with the largest pages too', () => {
    const names = readdirSync(new URL('../schema/operations/', import.meta.url));
    const costs = names.map((file) => {
      const largest = documentOf(file.replace('.graphql', '')).replace(
        /\b(first|last): \d+/g,
        (_all, side) => (file === 'models.graphql' ? `${side}: 500` : `${side}: 100`),
      );
      return [file, costOf(parse(largest))] as const;
    });
    expect(Object.fromEntries(costs)).toMatchInlineSnapshot(`
      {
        "accept-invitation.graphql": 40,
        "accounts.graphql": 957,
        "add-api-key.graphql": 330,
        "add-member.graphql": 35,
        "add-model.graphql": 87,
        "answer-events.graphql": 190,
        "api-keys.graphql": 2609,
        "attachment.graphql": 20,
        "audit-log.graphql": 4217,
        "check-api-key.graphql": 321,
        "create-attachment.graphql": 74,
        "create-invitation.graphql": 37,
        "create-model-variant.graphql": 81,
        "create-password-reset.graphql": 38,
        "create-team.graphql": 42,
        "create-thread.graphql": 46,
        "create-workspace.graphql": 48,
        "delete-team.graphql": 8,
        "delete-thread.graphql": 8,
        "delete-workspace.graphql": 8,
        "disable-user.graphql": 37,
        "enable-user.graphql": 36,
        "invitations.graphql": 3817,
        "leave-team.graphql": 7,
        "leave-workspace.graphql": 7,
        "members.graphql": 3617,
        "model.graphql": 218,
        "models.graphql": 20009,
        "providers.graphql": 51,
        "regenerate-answer.graphql": 425,
        "removal-impact.graphql": 27,
        "remove-api-key.graphql": 289,
        "remove-attachment.graphql": 8,
        "remove-member.graphql": 29,
        "remove-model-variant.graphql": 8,
        "replace-api-key-secret.graphql": 48,
        "revoke-invitation.graphql": 8,
        "send-message.graphql": 1314,
        "server-info.graphql": 6,
        "set-model-preference.graphql": 59,
        "set-plan.graphql": 34,
        "sign-out-user.graphql": 37,
        "stop-answer.graphql": 92,
        "team-api-keys.graphql": 2609,
        "team.graphql": 3124,
        "thread-events.graphql": 2534,
        "thread.graphql": 19725,
        "threads.graphql": 2909,
        "transfer-team.graphql": 21,
        "transfer-workspace.graphql": 27,
        "update-api-key.graphql": 43,
        "update-member.graphql": 35,
        "update-model-variant.graphql": 80,
        "update-team.graphql": 42,
        "update-thread.graphql": 46,
        "update-workspace.graphql": 48,
        "viewer.graphql": 29,
        "workspace-events.graphql": 643,
        "workspace.graphql": 23,
        "workspaces.graphql": 5616,
      }
    `);
  });

  test('the cost of an operation multiplies with the pages in it, and says so before anything is read', async () => {
    expect(costOf(parse(nested), { n: 20 })).toMatchInlineSnapshot(`5064`);
    expect(costOf(parse(nested), { n: 100 })).toMatchInlineSnapshot(`121304`);
    expect(
      await post(site.ada.url, site.ada.token, { query: nested, variables: { n: 20 } }),
    ).not.toHaveProperty('errors');
    expect(await post(site.ada.url, site.ada.token, { query: nested, variables: { n: 100 } })).toEqual({
      errors: [{ message: tooMuch, extensions: { code: 'DOCUMENT_LIMIT' } }],
    });
  });

  test('the cost of an operation is counted for the variables of each request, however often the document was seen', async () => {
    for (const n of [20, 100, 20, 100])
      expect(
        'errors' in (await post(site.ada.url, site.ada.token, { query: nested, variables: { n } })),
      ).toBe(n === 100);
    const byDefault = nested.replace('$n: Int', '$n: Int = 100');
    expect(await post(site.ada.url, site.ada.token, { query: byDefault })).toHaveProperty('errors');
  });

  test('the cost of an operation counts objects that are asked for by id, of which there are at most a hundred', async () => {
    const query = 'query($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    const ask = (count: number) =>
      post(site.ada.url, site.ada.token, {
        query,
        variables: { ids: Array(count).fill(site.ada.workspaceId) },
      });
    expect((await ask(100)).data?.nodes).toHaveLength(100);
    expect((await ask(101)).errors).toMatchObject([
      { message: 'Give at most 100 ids.', extensions: { code: 'BAD_INPUT', fixableBy: 'YOU' } },
    ]);
    expect((await ask(5_000)).errors).toMatchObject([{ extensions: { code: 'DOCUMENT_LIMIT' } }]);
  });

  test.each(Object.entries(TRANSPORTS))(
    'ends a subscription before it begins, over %s',
    async (_name, open) => {
      const client = open(site.ada);
      const query = `subscription($n: Int) { threadEvents(threadId: "t") { ... on ThreadSnapshot { thread { workspace { threads(first: $n) { nodes { ...M } } } } } } } ${pages}`;
      const outcome = await client
        .iterate({ query, variables: { n: 100 } })
        .next()
        .catch((errors: unknown) => ({ value: { errors } }));
      await client.dispose();
      expect(outcome.value.errors).toEqual([{ message: tooMuch, extensions: { code: 'DOCUMENT_LIMIT' } }]);
    },
  );

  test('the cost of an operation does not rise with a snapshot of one page', async () => {
    const client = site.ada.socket();
    const thread = await newThread(site.ada);
    for await (const event of follow(client, 'thread-events', { threadId: thread.id })) {
      expect(event.__typename).toBe('ThreadSnapshot');
      break;
    }
    await client.dispose();
  });
});

describe('a document', () => {
  const fragments = (count: number, inner: string) =>
    Array.from(
      { length: count },
      (_, index) => `fragment F${index} on Workspace { ${inner.replaceAll('NEXT', `F${index + 1}`)} }`,
    ).join(' ');
  const last = (count: number) => `fragment F${count} on Workspace { id }`;

  test.each([
    [
      'deeper than 12 levels through fragments',
      `{ workspace(id: "w") { ...F0 } } ${fragments(4, 'threads { nodes { workspace { ...NEXT } } }')} ${last(4)}`,
      'The document is nested deeper than 12 levels.',
    ],
    [
      'of more than 500 fields through fragments that double each other',
      `{ workspace(id: "w") { ...F0 } } ${fragments(30, '...NEXT ...NEXT')} ${last(30)}`,
      'The document selects more than 500 fields.',
    ],
    [
      'of more than 30 aliases through fragments',
      `{ workspace(id: "w") { ...F0 } } ${fragments(5, 'x: id ...NEXT ...NEXT')} ${last(5)}`,
      'The document has more than 30 aliases.',
    ],
    [
      'that asks for the schema again and again',
      '{ __schema { __typename } __type(name: "A") { name } ...Q } fragment Q on Query { __schema { __typename } }',
      'The document asks for the schema more than 2 times.',
    ],
  ])('%s is refused', async (_what, query, message) => {
    expect(await rawBody(site.ada, query)).toEqual({
      errors: [{ message, extensions: { code: 'DOCUMENT_LIMIT' } }],
    });
  });

  test('a document whose fragments spread each other is refused for just that', async () => {
    const query = '{ viewer { ...A } } fragment A on Viewer { id ...B } fragment B on Viewer { id ...A }';
    expect(JSON.stringify(await rawBody(site.ada, query))).toContain(
      'Cannot spread fragment \\"A\\" within itself',
    );
  });

  test('a document that asks for the whole schema, as tools do, is answered', async () => {
    expect(await rawBody(site.ada, getIntrospectionQuery())).not.toHaveProperty('errors');
  });
});

const tooMuch =
  'The operation could return too much at once. Ask for smaller pages (`first`, `last`), or for less of each item.';
