import { parse } from 'graphql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { costOf } from './kit/document.ts';
import type { Page } from './kit/page.ts';
import { documentOf, type NamedModel, type Person, post } from './kit/person.ts';
import { say } from './kit/say.ts';
import { type ScriptedProvider, startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { recordStatements } from './kit/statements.ts';

/** The document of a model selector where a gateway lists as many models as are stored: what a page costs. */

const MAKERS = 40;
const names = Array.from(
  { length: 2_000 },
  (_, index) => `maker-${index % MAKERS}/model-${index % 7}.${index}`,
);

let gateways: [few: ScriptedProvider, many: ScriptedProvider];
let server: TestServer;
/** Of two people with one key each: one whose gateway lists two models, and one with all of them. */
let people: [few: Person, many: Person];

beforeAll(async () => {
  gateways = [await startScriptedProvider(names.slice(0, 2)), await startScriptedProvider(names)];
  const hosts = gateways.map(({ host }) => host).join(',');
  server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: hosts });
  people = [await server.signUp(), await server.signUp('Eve')];
  for (const [index, person] of people.entries())
    await person.addKey('CUSTOM', 'a-secret', { baseUrl: gateways[index]?.baseUrl });
}, 60_000);
afterAll(async () => {
  await server.close();
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
});

interface Variables {
  filter?: object;
  after?: string | null;
}

async function readPage(
  { url, token, workspaceId }: Person,
  variables: Variables,
): Promise<Page<NamedModel>> {
  const query = documentOf('models');
  const { data, errors } = await post(url, token, { query, variables: { workspaceId, ...variables } });
  const workspace = data?.workspace ?? expect.unreachable(JSON.stringify(errors));
  return (workspace as { models: Page<NamedModel> }).models;
}

/** Reads a page several times, says what it took, and returns how many statements were about models. */
async function measure(title: string, person: Person, variables: Variables): Promise<number> {
  const times: number[] = [];
  let statements: readonly string[] = [];
  let rows = 0;
  for (let count = 0; count < TIMES; count++) {
    using recorded = recordStatements();
    const beganAtMs = performance.now();
    rows = (await readPage(person, variables)).edges.length;
    times.push(performance.now() - beganAtMs);
    statements = recorded.texts;
  }
  times.sort((left, right) => left - right);
  const [best = 0, median = 0] = [times[0], times[TIMES >> 1]];
  say(
    `${title}: ${rows} rows, ${statements.length} statements, ${best.toFixed(0)} ms at best, ${median.toFixed(0)} ms median`,
  );
  return statements.filter((text) => text.includes('"models"')).length;
}

const TIMES = 9;

test('a page of the selector takes as many statements for two thousand models as for two', {
  timeout: 120_000,
}, async () => {
  const [few, many] = people;
  for (const [title, variables] of Object.entries({
    'first page of 250': {},
    'found by a word': { filter: { search: 'maker-0/' } },
    'of one provider that can be asked': { filter: { provider: 'CUSTOM', isAvailable: true } },
  }))
    expect(await measure(`${title} of 2,000`, many, variables)).toBe(
      await measure(`${title} of 2`, few, variables),
    );
});

test('the pages of the selector are all models, each once, maker by maker', {
  timeout: 120_000,
}, async () => {
  const [, many] = people;
  const seen: string[] = [];
  const beganAtMs = performance.now();
  for (let after: string | null = null; ; ) {
    const { edges, pageInfo } = await readPage(many, { after });
    seen.push(...edges.map(({ node }) => node.name));
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  say(`all 2,000 in 8 pages: ${(performance.now() - beganAtMs).toFixed(0)} ms`);
  expect(seen.toSorted()).toEqual(names.toSorted());
  const makers = seen.map((name) => name.split('/')[0]);
  expect(makers.filter((maker, index) => maker !== makers[index - 1])).toHaveLength(MAKERS);
});

test('a page of the selector costs half of what an operation may cost', () => {
  const cost = costOf(parse(documentOf('models')));
  say(`the document of the selector: ${cost} of 30,000`);
  expect(cost).toBeLessThan(12_000);
});
