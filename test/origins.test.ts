import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { readConfig } from '../src/config.ts';
import { ConfigError } from '../src/read-setting.ts';
import { useSite } from './kit/site.ts';

const LISTED = [
  'capacitor://localhost',
  'ionic://localhost',
  'tauri://localhost',
  'app://-',
  'chrome-extension://abcdef',
];

const site = useSite({ LATCHKEY_ALLOWED_ORIGINS: `https://chat.example.com, ${LISTED.join(', ')}/` });

test.each(LISTED)('a page of the app %s that is allowed signs in, asks and follows', async (origin) => {
  expect(await reach(origin)).toEqual({
    readable: origin,
    signIn: 200,
    graphql: { data: { __typename: 'Query' } },
    socket: 'open',
  });
});

test.each([
  'capacitor://evil',
  'capacitor://localhost.evil',
  'capacitor://localhost:8080',
  'capacitor://LOCALHOST',
  'electron://localhost',
  'https://localhost',
  'null',
])('a page of %s stays outside while capacitor://localhost is allowed', async (origin) => {
  expect(await reach(origin)).toMatchObject({
    readable: null,
    socket: 'Unexpected server response: 403',
  });
});

test.each([
  '*',
  'https://*',
  'https://*.example.com',
  'https://chat.example.com,*',
  'https://chat.example.com:*',
  'capacitor://*',
  '*://localhost',
])('the allowed origins %s stop the start with a sentence about wildcards', (text) => {
  expect(refusalOf({ LATCHKEY_ALLOWED_ORIGINS: text })).toMatch(
    /^LATCHKEY_ALLOWED_ORIGINS has a wildcard: "[^"]+"\. Name every origin in full, /,
  );
});

test.each([
  'null',
  'localhost:3000',
  'chat.example.com',
  'capacitor:',
  'capacitor://',
  'capacitor://localhost/app',
  'capacitor://localhost?x',
  'file://',
  'file:///srv/index.html',
  'data:text/html',
  'https://ada@chat.example.com',
  'https://chat.example.com/#x',
  'https://chat?.example.com',
])('the allowed origin %s stops the start with a sentence that shows how to write one', (text) => {
  expect(refusalOf({ LATCHKEY_ALLOWED_ORIGINS: text })).toBe(
    `LATCHKEY_ALLOWED_ORIGINS is not an origin: "${text}". Write it like https://chat.example.com or capacitor://localhost, without a path.`,
  );
});

test('the public URL is one origin of the web', () => {
  expect(readConfig({ LATCHKEY_PUBLIC_URL: 'https://chat.example.com/' }).publicUrl).toBe(
    'https://chat.example.com',
  );
  expect(refusalOf({ LATCHKEY_PUBLIC_URL: 'https://*.example.com' })).toBe(
    'LATCHKEY_PUBLIC_URL has a wildcard: "https://*.example.com". Name every origin in full, like https://chat.example.com.',
  );
  expect(refusalOf({ LATCHKEY_PUBLIC_URL: 'capacitor://localhost' })).toBe(
    'LATCHKEY_PUBLIC_URL is not an origin: "capacitor://localhost". Write it like https://chat.example.com, without a path.',
  );
});

/** What a page of this origin gets: whether it may read answers, and how far it comes with the cookie of a session. */
async function reach(origin: string): Promise<object> {
  const { url } = site.server;
  const { email } = site.ada;
  const send = (path: string, body: object, headers: object = {}) =>
    fetch(url + path, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const credentials = { email, password: 'correct horse battery' };
  const first = await send('/api/auth/sign-in/email', credentials, { origin: url });
  const cookie = first.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const signedIn = await send('/api/auth/sign-in/email', credentials, { cookie });
  const asked = await send('/graphql', { query: '{ __typename }' }, { cookie, 'x-latchkey-csrf': '1' });
  return {
    readable: asked.headers.get('access-control-allow-origin'),
    signIn: signedIn.status,
    graphql: await asked.json(),
    socket: await openedWith({ origin, cookie }),
  };
}

/** `open`, or why a socket with these headers is refused. */
function openedWith(headers: Record<string, string>): Promise<string> {
  const socket = new WebSocket(`${site.server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    headers,
  });
  return new Promise((resolve) => {
    socket.once('error', ({ message }) => resolve(message));
    socket.once('open', () => {
      socket.close();
      resolve('open');
    });
  });
}

/** The sentence with which a start with these settings is refused. */
function refusalOf(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'not refused';
}
