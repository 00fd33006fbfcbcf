import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bodyText, rawBody } from './kit/api-key.ts';
import { failStatements, freshDatabase } from './kit/database.ts';
import { captureErrors } from './kit/log.ts';
import { documentOf, type Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { useSite } from './kit/site.ts';
import { newThread } from './kit/thread.ts';

const site = useSite();
afterEach(() => vi.restoreAllMocks());

const listed = 'https://chat.example.com';

describe('a page of another origin', () => {
  test.each([
    ['none is listed', {}],
    ['one is listed', { LATCHKEY_ALLOWED_ORIGINS: listed }],
    ['two are listed', { LATCHKEY_ALLOWED_ORIGINS: `${listed},https://second.example.com` }],
  ])('a page of another origin may not read an answer when %s', async (_what, env) => {
    await using guarded = await startTestServer(env);
    for (const origin of ['https://evil.example.com', 'null', `${listed}.evil.example.com`])
      for (const path of ['/graphql', '/api/auth/get-session', '/health/live'])
        for (const method of ['OPTIONS', 'POST', 'GET']) {
          const { headers } = await fetch(guarded.url + path, { method, headers: { origin } });
          expect([
            headers.get('access-control-allow-origin'),
            headers.get('access-control-allow-credentials'),
          ]).toEqual([null, null]);
        }
  });

  test('a page of another origin that is listed may ask and read, with the cookie too', async () => {
    await using guarded = await startTestServer({ LATCHKEY_ALLOWED_ORIGINS: listed });
    const asked = 'content-type, x-latchkey-csrf';
    for (const path of ['/graphql', '/api/auth/sign-in/email']) {
      const preflight = await fetch(guarded.url + path, {
        method: 'OPTIONS',
        headers: {
          origin: listed,
          'access-control-request-method': 'POST',
          'access-control-request-headers': asked,
        },
      });
      expect(preflight.status).toBe(204);
      expect(Object.fromEntries(preflight.headers)).toMatchObject({
        'access-control-allow-origin': listed,
        'access-control-allow-credentials': 'true',
        'access-control-allow-headers': asked,
        'access-control-allow-methods': 'GET, POST',
        vary: 'origin',
      });
    }
    const answer = await fetch(`${guarded.url}/graphql`, {
      method: 'POST',
      headers: { origin: listed, 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ __typename }' }),
    });
    expect(answer.headers.get('access-control-allow-origin')).toBe(listed);
    expect(answer.headers.get('access-control-expose-headers')).toContain('set-auth-token');
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } });
  });
});

describe('every response', () => {
  test.each([
    '/graphql',
    '/api/auth/get-session',
    '/api/auth/error',
    '/health/live',
    '/nowhere',
    '/graphql?query=x',
  ])('%s cannot be framed, guessed at or run', async (path) => {
    for (const method of ['GET', 'POST']) {
      const { headers } = await fetch(site.server.url + path, { method });
      expect(Object.fromEntries(headers)).toMatchObject({
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'x-request-id': expect.any(String),
      });
    }
  });

  test('responses of operations and accounts are not cached', async () => {
    const responses = await Promise.all([
      fetch(`${site.server.url}/graphql`, {
        method: 'POST',
        headers: json(site.ada),
        body: '{"query":"{ __typename }"}',
      }),
      fetch(`${site.server.url}/graphql`, { method: 'POST', headers: json(site.ada), body: '{' }),
      fetch(`${site.server.url}/graphql`, {
        method: 'POST',
        headers: { ...json(site.ada), accept: 'text/event-stream' },
        body: '{"query":"{ __typename }"}',
      }),
      fetch(`${site.server.url}/api/auth/get-session`, { headers: json(site.ada) }),
    ]);
    for (const { headers } of responses) expect(headers.get('cache-control')).toBe('no-store');
    for (const response of responses) await response.body?.cancel();
  });
});

describe('a request', () => {
  test.each(['a b', 'evil.example.com/x', 'x@y', '[::1', 'localhost:99999', '%00', ':80'])(
    'for the host "%s" is refused without a word in the log',
    async (host) => {
      const lines = captureErrors();
      for (const path of ['/graphql', '/api/auth/get-session', '/', '/health/live'])
        expect(
          await raw(site.server, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
        ).toMatch(/^HTTP\/1\.1 400 /);
      expect(lines).toEqual([]);
    },
  );

  test('a request of an older protocol that names no host is answered', async () => {
    const body = '{"query":"{ __typename }"}';
    const head = `POST /graphql HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
    expect(await raw(site.server, `${head}\r\n\r\n${body}`)).toContain('{"data":{"__typename":"Query"}}');
  });

  test('a request with a forwarded protocol or host that is none changes nothing', async () => {
    const lines = captureErrors();
    const headers = { 'x-forwarded-proto': 'no such thing', 'x-forwarded-host': 'a b', ...json(site.ada) };
    const response = await fetch(`${site.server.url}/api/auth/get-session`, { headers });
    expect(await response.json()).toMatchObject({ user: { email: site.ada.email } });
    expect(lines).toEqual([]);
  });

  test('a request with an operation larger than 1 MiB is refused, whether or not it says its length', async () => {
    const large = JSON.stringify({ query: `{ __typename } #${'x'.repeat(1024 * 1024)}` });
    for (const response of [
      await fetch(`${site.server.url}/graphql`, { method: 'POST', headers: json(site.ada), body: large }),
      await fetch(`${site.server.url}/graphql`, {
        method: 'POST',
        headers: json(site.ada),
        ...chunked(large),
      }),
    ]) {
      expect(response.status).toBe(413);
      expect(await response.json()).toEqual({
        errors: [{ message: 'Request body too large', extensions: { code: 'BAD_INPUT' } }],
      });
    }
  });

  test('a request with a body that is no JSON is refused without quoting it', async () => {
    const response = await fetch(`${site.server.url}/graphql`, {
      method: 'POST',
      headers: json(site.ada),
      body: '{"query": sk-live-abc"}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      errors: [{ message: 'POST body sent invalid JSON.', extensions: { code: 'BAD_INPUT' } }],
    });
  });

  test('an error in a request has only its code and its place in the document', async () => {
    expect(await rawBody(site.ada, '{ nothing }')).toEqual({
      errors: [
        {
          message: 'Cannot query field "nothing" on type "Query".',
          locations: [{ line: 1, column: 3 }],
          extensions: { code: 'BAD_INPUT' },
        },
      ],
    });
  });
});

describe('an id that cannot be one', () => {
  const ids = [
    '\0',
    'thr_\0',
    'msg_1',
    '💥',
    'x'.repeat(10_000),
    'thr_00000000000000000000000000',
    "'; drop table users; --",
  ];
  const absent = ['wsp', 'key', 'mdl', 'thr', 'msg'].map((prefix) => `${prefix}_${'0'.repeat(26)}`);

  test.each([
    ['node', '{ node(id: $id) { id } }'],
    ['nodes', '{ nodes(ids: [$id]) { id } }'],
    ['workspace', '{ workspace(id: $id) { id } }'],
    ['thread', '{ thread(id: $id) { id } }'],
  ])('an id that cannot be one is not there: %s', async (_field, selection) => {
    const query = `query($id: ID!) ${selection}`;
    const answers = await Promise.all([...ids, ...absent].map((id) => bodyText(site.ada, query, { id })));
    expect(new Set(answers).size).toBe(1);
  });

  test('an id that cannot be one is not there for any mutation, and said so as of one that is gone', async () => {
    const thread = await newThread(site.ada);
    const { models } = await site.ada.addKey();
    const message = { text: 'Hello', modelIds: [models[0]?.id] };
    for (const [operation, input, field] of [
      ['create-thread', {}, 'workspaceId'],
      ['update-thread', { title: 'x' }, 'id'],
      ['delete-thread', {}, 'id'],
      ['stop-answer', {}, 'answerId'],
      ['regenerate-answer', {}, 'answerId'],
      ['add-api-key', { provider: 'OPENAI', secret: 'sk-sim-1234567890123456789' }, 'workspaceId'],
      ['check-api-key', {}, 'id'],
      ['update-api-key', { label: 'x' }, 'id'],
      ['replace-api-key-secret', { secret: 'sk-sim-1234567890123456789' }, 'id'],
      ['remove-api-key', {}, 'id'],
      ['send-message', message, 'threadId'],
      ['send-message', { ...message, threadId: thread.id }, 'parentId'],
    ] as const) {
      const answers = await Promise.all(
        [...ids, ...absent].map((id) =>
          bodyText(site.ada, documentOf(operation), { input: { ...input, [field]: id } }),
        ),
      );
      expect([operation, field, [...new Set(answers)]]).toEqual([
        operation,
        field,
        [expect.stringContaining('"code":"NOT_FOUND"')],
      ]);
    }
    for (const id of ids) {
      const input = { ...message, threadId: thread.id, modelIds: [id] };
      expect(await bodyText(site.ada, documentOf('send-message'), { input })).toContain('"code":"NO');
      const cursor = `{ viewer { personalWorkspace { threads(after: ${JSON.stringify(id)}) { nodes { id } } } } }`;
      expect(await bodyText(site.ada, cursor)).toContain('"code":"BAD_INPUT"');
    }
  });
});

describe('a point in time', () => {
  const query = documentOf('update-api-key');
  test.each([
    ['2026-02-30T00:00:00Z', 'A DateTime names a day that its month has.'],
    ['2027-02-29T00:00:00Z', 'A DateTime names a day that its month has.'],
    ['2026-04-31T10:00:00+02:00', 'A DateTime names a day that its month has.'],
    ['1969-12-31T23:59:59Z', 'A DateTime lies between the years 1970 and 9999.'],
    ['9999-12-31T23:59:59-01:00', 'A DateTime lies between the years 1970 and 9999.'],
    ['0000-01-01T00:00:00Z', 'A DateTime lies between the years 1970 and 9999.'],
    ['2026-13-01T00:00:00Z', 'A DateTime is a string in ISO 8601'],
    ['2026-01-01T25:00:00Z', 'A DateTime is a string in ISO 8601'],
  ])('a point in time that is none is refused: %s', async (expiresAt, message) => {
    const answer = await bodyText(site.ada, query, { input: { id: 'key_1', expiresAt } });
    expect(answer).toContain(message);
    expect(answer).toContain('"BAD_INPUT"');
  });

  test.each(['2028-02-29T00:00:00Z', '9999-12-31T23:59:59.999Z', '2026-12-31T23:59:59-10:00'])(
    'that is one is taken: %s',
    async (expiresAt) => {
      expect(await bodyText(site.ada, query, { input: { id: 'key_1', expiresAt } })).toContain('NOT_FOUND');
    },
  );
});

describe('the log', () => {
  test('the log names the operation and the request of a failure, and nothing that was sent', async () => {
    await using broken = await startTestServer({}, { database: await freshDatabase() });
    const person = await broken.signUp();
    const lines = captureErrors();
    using _failing = failStatements(broken.app.db, /insert into "threads"/, new Error('no secret-text'));
    const response = await fetch(`${broken.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'query Look($id: ID!) { node(id: $id) { id } thread(id: $id) { id } }',
        variables: { id: 'secret-variable' },
      }),
    });
    expect(await response.json()).not.toHaveProperty('errors'); // without a session no query was sent
    const failed = await fetch(`${broken.url}/graphql`, {
      method: 'POST',
      headers: json(person),
      body: JSON.stringify({
        query: documentOf('create-thread'),
        variables: { input: { workspaceId: person.workspaceId, title: 'secret-text' } },
      }),
    });
    expect(await failed.json()).toMatchObject({
      errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL' } }],
    });
    const failure = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(failure).toMatchObject([
      {
        requestId: failed.headers.get('x-request-id'),
        operation: 'CreateThread',
        failure: expect.any(String),
      },
    ]);
    expect(lines.join()).not.toContain('secret');
  });
});

test('a server that stops lets a request in flight finish, and waits for no other', async () => {
  const stopping = await startTestServer();
  const person = await stopping.signUp();
  const stalled = connect(Number(new URL(stopping.url).port));
  const closed = new Promise((resolve) =>
    stalled
      .resume()
      .on('error', () => {})
      .once('close', resolve),
  );
  stalled.write('POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n');
  const answered = person.addKey();
  await stopping.simulator.waitForRequest(() => true);
  const startedAt = performance.now();
  await Promise.all([stopping.close(), closed]);
  expect((await answered).__typename).toBe('AddApiKeyPayload');
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

function json({ token }: Pick<Person, 'token'>): Record<string, string> {
  return { 'content-type': 'application/json', authorization: `Bearer ${token}` };
}

/** A body of unknown length. */
function chunked(text: string): { body: ReadableStream; duplex: 'half' } {
  return { body: new Blob([text]).stream(), duplex: 'half' };
}

/** What comes back for these bytes. */
async function raw({ url }: TestServer, bytes: string): Promise<string> {
  const socket: Socket = connect(Number(new URL(url).port));
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}
