import { readFileSync } from 'node:fs';
import { InMemoryCache, type TypePolicies } from '@apollo/client';
import { Client, type Exchange, fetchExchange, subscriptionExchange } from '@urql/core';
import fc from 'fast-check';
import {
  type DocumentNode,
  type IntrospectionQuery,
  introspectionFromSchema,
  isUnionType,
  OperationTypeNode,
  visit,
} from 'graphql';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { schema } from '../src/graphql/schema.ts';
import { documentNames, kindOf, rootTypeOf } from './kit/document.ts';
import { importRecipe } from './kit/pages.ts';
import { OPERATOR_TOKEN } from './kit/plan.ts';
import { type Recorded, recordEverything } from './kit/recording.ts';
import { startTestServer } from './kit/server.ts';

const TIMEOUT_MS = 180_000; // a hundred operations one after the other: seconds, but a minute on a busy machine

let recorded: Recorded[];
beforeAll(async () => {
  await using server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
  recorded = await recordEverything(server);
}, TIMEOUT_MS);

let warnings: unknown[][];
beforeEach(() => {
  warnings = [];
  for (const name of ['warn', 'error'] as const)
    vi.spyOn(console, name).mockImplementation((...words) => warnings.push(words));
});
afterEach(() => vi.restoreAllMocks());

test('every document was recorded, with every payload and event that it asks for', () => {
  const seen = recorded.flatMap(({ operation, data }) => [operation, `${operation} ${typeOf(data)}`]);
  const asked = documentNames.flatMap((name) => [name, ...resultsOf(name).map((type) => `${name} ${type}`)]);
  expect(asked.filter((each) => !seen.includes(each))).toEqual([
    'thread-events MessageRemoved', // nothing removes single messages yet
  ]);
});

test('Apollo misses no field and warns of nothing, in whatever order results arrive', {
  timeout: TIMEOUT_MS,
}, async () => {
  const possibleTypes = readFileSync('schema/possible-types.json', 'utf8');
  const { typePolicies } = await importRecipe<{ typePolicies: TypePolicies }>('apollo', 'http://x', {
    'possible-types.json': possibleTypes,
  });
  await inAnyOrder(async (results) => {
    const cache = new InMemoryCache({ possibleTypes: JSON.parse(possibleTypes), typePolicies });
    const missing = ({ operation, document, variables }: Recorded): string[] => {
      const id = ROOT_IDS[kindOf(operation)];
      const { missing } = cache.diff({
        query: asQuery(document),
        variables,
        id,
        optimistic: false,
        returnPartialData: true,
      });
      return missing === undefined ? [] : [`${operation}: ${missing.message}`];
    };
    const lost = results.flatMap((result) => {
      const { operation, document: query, variables, data } = result;
      cache.write({ query, variables, result: data, dataId: ROOT_IDS[kindOf(operation)] });
      return missing(result);
    });
    // What a page shows is read again whenever anything else has arrived.
    const queries = results.filter(({ operation }) => kindOf(operation) === 'query');
    expect([...lost, ...queries.flatMap(missing)]).toEqual([]);
  });
  expect(warnings).toEqual([]);
});

test('urql’s normalised cache misses no field and warns of nothing, in whatever order results arrive', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { normalisedCache } = await importRecipe<{ normalisedCache(schema: IntrospectionQuery): Exchange }>(
    'graphcache',
    'http://x',
  );
  const introspection = introspectionFromSchema(schema);
  await inAnyOrder(async (results) => {
    let arriving: object = {};
    const client = new Client({
      url: 'http://x/graphql',
      preferGetMethod: false,
      fetch: async () => Response.json({ data: arriving }),
      exchanges: [
        normalisedCache(introspection),
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: () => ({
            subscribe(sink) {
              sink.next({ data: arriving });
              sink.complete();
              return { unsubscribe() {} };
            },
          }),
        }),
      ],
    });
    for (const { operation, document, variables, data } of results) {
      arriving = data;
      const context = { requestPolicy: 'network-only' } as const;
      const result = await client[kindOf(operation)](document, variables, context).toPromise();
      expect([operation, result.error, typeof result.data]).toEqual([operation, undefined, 'object']);
    }
    for (const { operation, document, variables } of results) {
      if (kindOf(operation) !== 'query') continue;
      const read = client.readQuery(document, variables);
      expect([operation, typeof read?.data, read?.stale]).toEqual([operation, 'object', false]);
    }
  });
  expect(warnings).toEqual([]);
});

/** Checks what holds for everything that was recorded, in five orders. */
async function inAnyOrder(check: (results: Recorded[]) => Promise<void>): Promise<void> {
  // Places instead of results, since a failure prints the whole order.
  const orders = fc.shuffledSubarray([...recorded.keys()], { minLength: recorded.length });
  const inOrder = (places: number[]) => check(places.flatMap((place) => recorded[place] ?? []));
  await fc.assert(fc.asyncProperty(orders, inOrder), { numRuns: 5, endOnFailure: true });
}

/** Where Apollo keeps the fields of each kind of operation. */
const ROOT_IDS = { query: 'ROOT_QUERY', mutation: 'ROOT_MUTATION', subscription: 'ROOT_SUBSCRIPTION' };

/** Apollo reads by queries alone, mutations and subscriptions from where they are kept. */
function asQuery(document: DocumentNode): DocumentNode {
  return visit(document, {
    OperationDefinition: (definition) => ({ ...definition, operation: OperationTypeNode.QUERY }),
  });
}

/** The payload or events that a document's only field can give, errors aside. */
function resultsOf(name: string): string[] {
  const type = rootTypeOf(name);
  const members = isUnionType(type) ? type.getTypes().map((member) => member.name) : [];
  return members.filter((member) => !member.endsWith('Error'));
}

/** The type of the only field of a result, if the document asks for it by itself. */
function typeOf(data: Record<string, unknown>): string | undefined {
  const [value] = Object.values(data);
  return typeof value === 'object' && value !== null && '__typename' in value
    ? String(value.__typename)
    : undefined;
}
