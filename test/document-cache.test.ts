import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { parse } from 'graphql';
import { expect, onTestFinished, test } from 'vitest';
import { DocumentCache } from '../src/execution/document-cache.ts';
import { documentOf } from './kit/person.ts';
import { useSite } from './kit/site.ts';
import { openTransport, TRANSPORT_NAMES } from './kit/tenancy-transport.ts';

const site = useSite();

test('a document is parsed and validated once, over whichever transport it comes first', async () => {
  for (const first of TRANSPORT_NAMES) {
    const work = countWork();
    const query = `query By${first} { viewer { user { id name } } }`;
    for (const transport of [first, ...TRANSPORT_NAMES]) {
      const reply = await send(transport, query);
      expect(reply).toEqual({ data: { viewer: { user: { id: site.ada.id, name: 'Ada' } } } });
    }
    expect(work.of(query)).toEqual({ parsed: 1, validated: 1 });
  }
});

test('a document that is followed is parsed and validated once, however many follow', async () => {
  const work = countWork();
  const query = `${documentOf('workspace-events')} # followed`;
  const { workspaceId } = site.ada;
  for (const transport of ['SSE', 'WebSocket', 'SSE', 'WebSocket'] as const)
    expect(await send(transport, query, { workspaceId })).toMatchObject({
      data: { workspaceEvents: { __typename: 'WorkspaceSnapshot' } },
    });
  expect(work.of(query)).toEqual({ parsed: 1, validated: 1 });
});

test('a document that is not valid is validated once, and has the same errors each time', async () => {
  const work = countWork();
  const query = '{ viewer { nothing } nobody }';
  const replies = [];
  for (const transport of [...TRANSPORT_NAMES, ...TRANSPORT_NAMES])
    replies.push(await send(transport, query));
  expect(work.of(query)).toEqual({ parsed: 1, validated: 1 });
  const code = 'BAD_INPUT';
  for (const reply of replies)
    expect(reply).toEqual({
      errors: [
        {
          message: 'Cannot query field "nothing" on type "Viewer".',
          locations: [{ line: 1, column: 12 }],
          extensions: { code },
        },
        {
          message: expect.stringMatching(/^Cannot query field "nobody" on type "Query"/),
          locations: [{ line: 1, column: 22 }],
          extensions: { code },
        },
      ],
    });
});

test('the operation is chosen by name each time, and charged for what its own variables ask', async () => {
  const threads =
    'personalWorkspace { threads(first: $n) { nodes { messages(first: $n) { nodes { id } } } } }';
  const query = `query Large($n: Int = 100) { viewer { ${threads} } } query Small { viewer { user { id } } }`;
  for (const transport of TRANSPORT_NAMES) {
    const ask = (operationName: string | undefined, variables = {}) =>
      send(transport, query, variables, operationName);
    expect(await ask('Small')).toEqual({ data: { viewer: { user: { id: site.ada.id } } } });
    expect(await ask('Large', { n: 2 })).toHaveProperty('data.viewer');
    expect(await ask('Large')).toMatchObject({ errors: [{ extensions: { code: 'DOCUMENT_LIMIT' } }] });
    expect(await ask('Small')).toEqual({ data: { viewer: { user: { id: site.ada.id } } } });
    expect(await ask('Other')).toMatchObject({ errors: [{ extensions: { code: 'BAD_INPUT' } }] });
    expect(await ask(undefined)).toMatchObject({ errors: [{ extensions: { code: 'BAD_INPUT' } }] });
  }
});

test('documents that are never used again push each other out, not those in use, and long ones are not kept', () => {
  const prepared: string[] = [];
  const cache = new DocumentCache((text) => {
    prepared.push(text);
    return { text, document: parse('{ a }'), errors: [], operation: () => undefined };
  });
  const inUse = '{ inUse }';
  for (let index = 0; index < 100; index++) {
    cache.get(inUse);
    cache.get(`${index} ${'x'.repeat(30_000)}`);
  }
  expect(prepared.filter((text) => text === inUse)).toHaveLength(1);
  for (let index = 99; index >= 84; index--) cache.get(`${index} ${'x'.repeat(30_000)}`);
  expect(prepared).toHaveLength(101);
  cache.get(`0 ${'x'.repeat(30_000)}`);
  expect(prepared).toHaveLength(102);
  for (let times = 0; times < 2; times++) cache.get('y'.repeat(40_000));
  expect(prepared).toHaveLength(104);
});

async function send(
  name: (typeof TRANSPORT_NAMES)[number],
  query: string,
  variables: object = {},
  operationName?: string,
): Promise<unknown> {
  using transport = await openTransport(name, site.server.url, site.ada.token);
  return JSON.parse(await transport.send(query, variables, operationName));
}

/** Counts what GraphQL parses and validates in this process from now on. */
function countWork() {
  const parsed: string[] = [];
  const validated: string[] = [];
  const onParse = (message: unknown) => {
    parsed.push(String((message as { source: unknown }).source));
  };
  const onValidate = (message: unknown) => {
    const { document } = message as { document: ReturnType<typeof parse> };
    validated.push(document.loc?.source.body ?? '');
  };
  subscribe(PARSE, onParse);
  subscribe(VALIDATE, onValidate);
  onTestFinished(() => {
    unsubscribe(PARSE, onParse);
    unsubscribe(VALIDATE, onValidate);
  });
  const count = (texts: string[], text: string) => texts.filter((each) => each === text).length;
  return { of: (text: string) => ({ parsed: count(parsed, text), validated: count(validated, text) }) };
}

// Channels of graphql-js.
const PARSE = 'tracing:graphql:parse:start';
const VALIDATE = 'tracing:graphql:validate:start';
