import { and, eq } from 'drizzle-orm';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { sessions } from '../src/db/tables/user.ts';
import { workspaceMembers, workspaces } from '../src/db/tables/workspace.ts';
import { bearer, postAccount } from './kit/account-request.ts';
import { freshDatabase } from './kit/database.ts';
import { documentOf } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { respond } from './kit/wire.ts';

const password = 'correct horse battery';
const viewer = '{ viewer { id email user { id name } } }';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

describe('an account', () => {
  test('an account is made, left and come back to', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    const made = await signUp(server.url, email);
    expect(made.status).toBe(200);
    const [first, second] = [tokenOf(made), tokenOf(await signIn(email))];
    expect(first).not.toBe(second);
    const ada = { email, user: { name: 'Ada' } };
    expect(await ask(bearer(first))).toMatchObject({ data: { viewer: ada } });
    expect(await ask(bearer(second))).toMatchObject({ data: { viewer: ada } });

    expect((await postAccount(server, 'sign-out', {}, bearer(first))).status).toBe(200);
    expect(await ask(bearer(first))).toEqual(signInAgain);
    expect(await ask(bearer(second))).toMatchObject({ data: { viewer: ada } });
  });

  test('an account is not opened by a wrong password, nor made twice for one address', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    await signUp(server.url, email);
    const wrong = await postAccount(server, 'sign-in/email', { email, password: 'incorrect horse' });
    const nobody = await postAccount(server, 'sign-in/email', { email: `no-${email}`, password });
    expect(wrong.status).toBe(401);
    // Whether an address has an account must not be revealed.
    expect(await wrong.text()).toBe(await nobody.text());
    expect((await signUp(server.url, email)).status).toBe(422);
  });

  test('an account gets one personal workspace, however many first requests come at once', async () => {
    const token = tokenOf(await signUp(server.url, `ada-${crypto.randomUUID()}@example.com`));
    const query =
      '{ viewer { user { id } personalWorkspace { id kind viewerRole } workspaces { nodes { id } } } }';
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(bearer(token), query)));
    const [answer] = answers as [Answer];
    const { user, personalWorkspace } = answer.data.viewer;
    expect(answer).toMatchObject({
      data: {
        viewer: {
          personalWorkspace: { kind: 'PERSONAL', viewerRole: 'OWNER' },
          workspaces: { nodes: [{ id: personalWorkspace.id }] },
        },
      },
    });
    for (const other of answers) expect(other).toEqual(answer);
    const { db } = server.app;
    const owned = await db.select().from(workspaces).where(eq(workspaces.ownerUserId, user.id));
    expect(owned).toHaveLength(1);
    const roles = await db
      .select()
      .from(workspaceMembers)
      .where(and(eq(workspaceMembers.userId, user.id), eq(workspaceMembers.role, 'OWNER')));
    expect(roles).toMatchObject([{ workspaceId: personalWorkspace.id }]);
  });
});

describe('a token that opens nothing', () => {
  const sent = ['Bearer nonsense', 'Bearer undefined', 'bearer a.b', 'Basic YWRhOnNlY3JldA==', ''];

  test.each(sent)(
    'a token that opens nothing is refused over HTTP with the status of its media type: "%s"',
    async (authorization) => {
      for (const [accept, status] of [
        ['application/json', 200],
        ['application/graphql-response+json', 401],
      ] as const) {
        const response = await graphql({ authorization, accept }, viewer);
        expect(response.status).toBe(status);
        expect(await response.json()).toEqual(signInAgain);
      }
    },
  );

  test.each(sent)(
    'is refused over server-sent events, a query as much as a subscription: "%s"',
    async (authorization) => {
      for (const query of [viewer, 'subscription { workspaceEvents(workspaceId: "wsp_0") { __typename } }']) {
        const response = await graphql({ authorization, accept: 'text/event-stream' }, query);
        expect(await response.text()).toContain(
          `event: next\ndata: ${JSON.stringify(signInAgain)}\n\nevent: complete`,
        );
      }
    },
  );

  test('a token that opens nothing does not keep its sender from signing up and in, nor does one that still opens something', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    const old = await signUp(server.url, email);
    await postAccount(server, 'sign-out', {}, bearer(tokenOf(old)));
    const current = await signIn(email);
    for (const headers of [
      bearer('nonsense'),
      bearer(tokenOf(old)),
      bearer(tokenOf(current)),
      { cookie: cookieOf(old) },
    ]) {
      const signedIn = await postAccount(server, 'sign-in/email', { email, password }, headers);
      expect(signedIn.status).toBe(200);
      expect(await ask(bearer(tokenOf(signedIn)))).toMatchObject({ data: { viewer: { email } } });
      const other = `bob-${crypto.randomUUID()}@example.com`;
      const signedUp = await postAccount(
        server,
        'sign-up/email',
        { name: 'Bob', email: other, password },
        headers,
      );
      expect(await ask(bearer(tokenOf(signedUp)))).toMatchObject({ data: { viewer: { email: other } } });
    }
  });
});

describe('a program that is no browser', () => {
  // As Node's fetch sends them; its own cannot be kept from adding to them.
  const nodeHeaders = {
    'content-type': 'application/json',
    accept: '*/*',
    'sec-fetch-mode': 'cors',
    'user-agent': 'node',
  };

  test('a program that is no browser signs up and in without an Origin header, and finds the same token in the JSON as in the header', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    for (const [path, body] of [
      ['sign-up/email', { name: 'Ada', email, password }],
      ['sign-in/email', { email, password }],
    ] as const) {
      const response = await fetch(`${server.url}/api/auth/${path}`, {
        method: 'POST',
        headers: nodeHeaders,
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
      const { token } = (await response.json()) as { token: string };
      expect(token).toBe(tokenOf(response));
      expect(await ask(bearer(token))).toMatchObject({ data: { viewer: { email } } });
    }
  });

  test('a program that is no browser is not what a foreign page can pass for, with a cookie or without', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    const cookie = cookieOf(await signUp(server.url, email));
    for (const headers of [
      { ...nodeHeaders, cookie },
      { ...nodeHeaders, 'sec-fetch-site': 'cross-site' },
      {
        ...nodeHeaders,
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
      { ...nodeHeaders, origin: 'https://evil.example.com' },
      { ...nodeHeaders, origin: 'null' },
      { ...nodeHeaders, referer: 'https://evil.example.com/page' },
    ]) {
      const body = JSON.stringify({ email, password });
      const response = await post('/api/auth/sign-in/email', headers, body);
      expect([headers, response.status]).toEqual([headers, 403]);
    }
  });
});

describe('a session', () => {
  test('a session is a signed bearer token or a signed cookie; the token alone, as a database dump has it, opens nothing', async () => {
    const email = `ada-${crypto.randomUUID()}@example.com`;
    const made = await signUp(server.url, email);
    const token = tokenOf(made);
    const cookie = cookieOf(made);
    expect(await ask(bearer(token))).toMatchObject({ data: { viewer: { email } } });
    expect(await ask({ cookie, 'x-latchkey-csrf': '1' })).toMatchObject({ data: { viewer: { email } } });

    const unsigned = token.split('.')[0] ?? '';
    const stored = await server.app.db.select().from(sessions).where(eq(sessions.token, unsigned));
    expect(stored).toHaveLength(1);
    const [cookieName = ''] = cookie.split('=');
    for (const headers of [
      bearer(unsigned),
      bearer(`${unsigned}.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=`),
      bearer(''),
    ])
      expect(await ask(headers)).toEqual(signInAgain);
    for (const headers of [{ cookie: `${cookieName}=${unsigned}`, 'x-latchkey-csrf': '1' }, {}])
      expect(await ask(headers)).toEqual({ data: { viewer: null } });
  });

  test('a session that rests on the cookie needs the header that no foreign page can send', async () => {
    const cookie = cookieOf(await signUp(server.url, `ada-${crypto.randomUUID()}@example.com`));
    const refused = await graphql({ cookie }, viewer);
    expect(refused.status).toBe(403);
    expect(await refused.text()).toBe('Requests with a session cookie need the header x-latchkey-csrf: 1.\n');
    const form = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'text/plain', 'x-latchkey-csrf': '1' },
      body: JSON.stringify({ query: viewer }),
    });
    expect(form.status).toBe(415);
  });

  test('a session over WebSocket is the cookie too, for pages of allowed origins only', async () => {
    const cookie = cookieOf(await signUp(server.url, `ada-${crypto.randomUUID()}@example.com`));
    expect(await connect({ headers: { cookie, origin: server.url } })).toBe('connected');
    expect(await connect({ headers: { cookie, origin: 'https://evil.example.com' } })).toBe(
      'refused with 403',
    );
  });
});

describe('sign-up', () => {
  test('closed sign-up refuses every person, also the first', async () => {
    const database = await freshDatabase();
    await using closed = await startTestServer({ LATCHKEY_SIGN_UP: 'closed' }, { database });
    const response = await signUp(closed.url, 'ada@example.com');
    expect(response.status).toBe(403);
    expect(await response.json()).toEqual({
      code: 'SIGN_UP_CLOSED',
      message: 'Sign-up is closed on this server. Ask its operator for an account.',
    });
  });

  test('sign-up by invitation accepts the first person, the operator, and none after', async () => {
    const database = await freshDatabase();
    await using invited = await startTestServer({ LATCHKEY_SIGN_UP: 'invited' }, { database });
    expect((await signUp(invited.url, 'ada@example.com')).status).toBe(200);
    expect((await signUp(invited.url, 'eve@example.com')).status).toBe(403);
    expect((await postAccount(invited, 'sign-in/email', { email: 'ada@example.com', password })).status).toBe(
      200,
    );
  });
});

describe('a request without a session', () => {
  const follow = { query: documentOf('answer-events'), variables: { answerId: 'msg_0' } };

  test('a request without a session can read `viewer`, `providers` and `node`, and gets UNAUTHENTICATED for a mutation', async () => {
    expect(await ask({}, '{ viewer { id } providers { name } node(id: "x") { id } }')).toMatchObject({
      data: { viewer: null, node: null },
    });
    const response = await graphql({}, documentOf('create-thread'), { input: { workspaceId: 'wsp_0' } });
    expect(response.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/);
    expect(await response.json()).toMatchObject({
      errors: [
        {
          message: 'Sign in first: send a session cookie or an Authorization header.',
          extensions: { code: 'UNAUTHENTICATED' },
        },
      ],
    });
  });

  test('a request without a session follows nothing over server-sent events', async () => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(follow),
    });
    const text = await response.text();
    expect(text).toContain('"code":"UNAUTHENTICATED"');
    expect(text).not.toContain('"data":{"answerEvents"');
  });

  test.each([
    ['no token', {}],
    ['a token that is none', { connectionParams: { authorization: 'Bearer nonsense' } }],
    ['something that is no text', { connectionParams: { authorization: { token: 1 } } }],
  ])('a request without a session is sent away from the socket with 4403: %s', async (_what, options) => {
    expect(await connect(options)).toBe('closed with 4403 Forbidden');
  });
});

/** How an attempt to open a socket ends. */
async function connect(options: {
  headers?: Record<string, string>;
  connectionParams?: Record<string, unknown>;
}): Promise<string> {
  class SocketWithHeaders extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { headers: options.headers });
      this.on('unexpected-response', (_request, response) => {
        resolve(`refused with ${response.statusCode}`);
        this.terminate();
      });
    }
  }
  const { promise, resolve } = Promise.withResolvers<string>();
  const client = createClient({
    url: `${server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: SocketWithHeaders,
    ...(options.connectionParams && { connectionParams: options.connectionParams }),
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => {},
    on: {
      connected: () => resolve('connected'),
      closed: (event) => {
        const { code, reason } = event as { code: number; reason: string };
        resolve(`closed with ${code} ${reason}`);
      },
    },
  });
  const outcome = await promise;
  await client.dispose();
  return outcome;
}

/** Sends these headers and no others: `fetch` would add its own. */
async function post(
  path: string,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number }> {
  const response = await respond(server.url + path, { method: 'POST', headers }, body);
  response.resume();
  return { status: response.statusCode ?? 0 };
}

const signInAgain = {
  errors: [
    {
      message: 'The token in the Authorization header is not valid, or its session has ended. Sign in again.',
      extensions: { code: 'UNAUTHENTICATED' },
    },
  ],
};

interface Answer {
  data: { viewer: { user: { id: string }; personalWorkspace: { id: string } } };
}

async function ask(headers: Record<string, string>, query: string = viewer): Promise<Answer> {
  return (await (await graphql(headers, query)).json()) as Answer;
}

async function graphql(
  headers: Record<string, string>,
  query: string,
  variables: object = {},
): Promise<Response> {
  return await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
}

function signUp(url: string, email: string): Promise<Response> {
  return postAccount({ url }, 'sign-up/email', { name: 'Ada', email, password });
}

function signIn(email: string): Promise<Response> {
  return postAccount(server, 'sign-in/email', { email, password });
}

function tokenOf(response: Response): string {
  return response.headers.get('set-auth-token') ?? '';
}

function cookieOf(response: Response): string {
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}
