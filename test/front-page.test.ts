import { readdirSync } from 'node:fs';
import { getOperationAST, getVariableValues, parse } from 'graphql';
import { expect, test } from 'vitest';
import { schema } from '../src/graphql/schema.ts';
import { freshDatabase } from './kit/database.ts';
import { post } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const asBrowser = { headers: { accept: 'text/html,*/*' } };

test('the front page is complete without a script and asks no other host for anything', async () => {
  await using server = await startTestServer();
  const response = await fetch(server.url, asBrowser);
  const html = await response.text();
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(html).toContain('AI chat on your own keys.');
  expect(html).toContain('data-sign-up="open" data-graphiql="on"');
  expect(foreignHosts(html)).toEqual([]);
  for (const path of linksOf(html))
    expect([path, (await fetch(server.url + path)).status]).toEqual([path, 200]);
});

test('every page forbids scripts of others, frames and guesses at its type', async () => {
  await using server = await startTestServer();
  for (const path of ['/', '/graphql', '/reset-password', '/change-email']) {
    const { headers } = await fetch(server.url + path, asBrowser);
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'; script-src 'self'; ");
    expect(policy).toContain("form-action 'none'; base-uri 'none'; frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe-eval|https?:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-request-id')).not.toBeNull();
  }
  expect((await fetch(`${server.url}/seal.js`)).headers.get('x-content-type-options')).toBe('nosniff');
});

test('the pages that links in mails lead to are whole, and go on to where one signs in', async () => {
  await using server = await startTestServer();
  for (const page of ['/reset-password', '/change-email']) {
    const html = await (await fetch(server.url + page, asBrowser)).text();
    expect(foreignHosts(html)).toEqual([]);
    expect(html).toContain('<a href="/#sign-in">Sign in</a>');
    for (const path of [...linksOf(html), '/link-page.js'])
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 200]);
  }
});

test('GraphiQL has a tab for every operation and everything it is made of on this server', async () => {
  await using server = await startTestServer();
  const html = await (await fetch(`${server.url}/graphql`, asBrowser)).text();
  const tabs = JSON.parse(/id="tabs">(.*)<\/script>/.exec(html)?.[1] ?? '') as { query: string }[];
  expect(
    tabs.map(({ query }) => /^(?:query|mutation|subscription) (\w+)/m.exec(query)?.[1]).slice(0, 7),
  ).toEqual(['Viewer', 'Providers', 'AddApiKey', 'Models', 'CreateThread', 'SendMessage', 'AnswerEvents']);
  expect(tabs).toHaveLength(readdirSync(new URL('../schema/operations/', import.meta.url)).length);
  expect(foreignHosts(html)).toEqual([]);
  const workers = ['editor', 'graphql', 'json'].map((name) => `/graphiql/${name}-worker.js`);
  for (const path of [...linksOf(html), ...workers]) {
    const { status, headers } = await fetch(server.url + path, { method: 'HEAD' });
    expect({ path, status, encoding: headers.get('content-encoding') }).toEqual({
      path,
      status: 200,
      encoding: 'gzip',
    });
  }
});

test('every tab of GraphiQL has the variables that its operation wants, and a key that a provider could be sent', async () => {
  await using server = await startTestServer();
  const html = await (await fetch(`${server.url}/graphql`, asBrowser)).text();
  const read = (id: string) => JSON.parse(new RegExp(`id="${id}">(.*)</script>`).exec(html)?.[1] ?? 'null');
  const tabs: { query: string; variables: string }[] = read('tabs');
  const faults = tabs.flatMap(({ query, variables }) => {
    const operation = getOperationAST(parse(query));
    const { errors = [] } = getVariableValues(
      schema,
      operation?.variableDefinitions ?? [],
      JSON.parse(variables),
    );
    return errors.map(({ message }) => `${operation?.name?.value}: ${message}`);
  });
  expect(faults).toEqual([]);

  const ada = await server.signUp();
  const places: Record<string, string> = read('places');
  const { query, variables } =
    tabs.find((tab) => tab.query.includes('mutation AddApiKey')) ?? expect.unreachable();
  const filled = JSON.parse(variables.replace(places.workspace ?? '', ada.workspaceId));
  const { data } = await post(server.url, ada.token, { query, variables: filled });
  expect(data).toMatchObject({ addApiKey: { apiKey: { status: 'ACTIVE' } } });
});

test('a browser that has a file is not sent it again', async () => {
  await using server = await startTestServer();
  const url = `${server.url}/front-page.css`;
  const etag = (await fetch(url)).headers.get('etag') ?? '';
  expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
});

test('operations come by POST only, and without GraphiQL there is no page', async () => {
  await using server = await startTestServer({ LATCHKEY_GRAPHIQL: 'off' });
  for (const accept of ['application/json', '*/*']) {
    const response = await fetch(`${server.url}/graphql?query={__typename}`, { headers: { accept } });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  }
  expect((await fetch(`${server.url}/graphql`, asBrowser)).status).toBe(404);
  expect((await fetch(`${server.url}/graphiql/start.js`)).status).toBe(404);
  expect(await (await fetch(server.url, asBrowser)).text()).toContain('data-graphiql="off"');
});

test('the page says that sign-up is closed, or by invitation once there is an account', async () => {
  await using closed = await startTestServer({ LATCHKEY_SIGN_UP: 'closed' });
  expect(await (await fetch(closed.url)).text()).toContain('data-sign-up="closed"');

  await using invited = await startTestServer(
    { LATCHKEY_SIGN_UP: 'invited' },
    { database: await freshDatabase() },
  );
  expect(await (await fetch(invited.url)).text()).toContain('data-sign-up="open"');
  await invited.signUp();
  expect(await (await fetch(invited.url)).text()).toContain('data-sign-up="closed"');
});

test('a request to localhost is redirected to the address at which signing in works', async () => {
  await using server = await startTestServer();
  const { port } = new URL(server.url);
  const response = await fetch(`http://localhost:${port}/graphql`, { ...asBrowser, redirect: 'manual' });
  expect([response.status, response.headers.get('location')]).toEqual([302, `${server.url}/graphql`]);
});

function linksOf(html: string): string[] {
  return [...html.matchAll(/(?:href|src)="([^"#]+)"/g)]
    .map((match) => match[1] ?? '')
    .filter((path) => path !== '/graphql');
}

/** Hosts that are named anywhere in a page, apart from what documents say in their comments. */
function foreignHosts(html: string): string[] {
  return [...html.matchAll(/(?:https?:|wss?:)?\/\/[a-z0-9.-]+\.[a-z]+/gi)].map(([url]) => url);
}
