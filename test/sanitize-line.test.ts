import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sanitizeLine } from '../src/sanitize-line.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** A name that is shown to others must not be able to look like another one. */

const DISGUISED = ' \u202Eada\u202C\u0000 \u2066writes\u2069\u0007\r\n\tlate\u200F\u061C ';
const PLAIN = 'ada writes late';

let server: TestServer;
let ada: Person;

beforeAll(async () => {
  server = await startTestServer();
  ada = await server.signUp();
});
afterAll(() => server.close());

test('a line keeps its words, in any script and with joined emoji', () => {
  expect(sanitizeLine(DISGUISED)).toBe(PLAIN);
  for (const line of ['שלום עולם', 'مرحبا', '👩‍👩‍👧 family', 'naïve – “quoted”', 'नमस्ते'])
    expect(sanitizeLine(line)).toBe(line);
});

test('a line has nothing that cannot be shown or stored, whatever it was made of', () => {
  const piece = fc.constantFrom(
    ...DISGUISED,
    'a',
    ' ',
    '\ud800',
    '\udc00',
    '🙂',
    '\u200d',
    '\ufeff',
    '\u2028',
    '\u0085',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const line = sanitizeLine(pieces.join(''));
      expect(line).not.toMatch(/[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u);
      expect(line.isWellFormed()).toBe(true);
      expect(sanitizeLine(line)).toBe(line);
    }),
  );
});

test('titles of threads, labels of keys and names of workspaces and teams lose what disguises them', async () => {
  const thread = await ada.run<{ thread: { id: string; title: string } }>('create-thread', {
    input: { workspaceId: ada.workspaceId, title: DISGUISED },
  });
  expect(thread.thread.title).toBe(PLAIN);
  const key = await ada.addKey('OPENAI', undefined, { label: DISGUISED });
  expect(key.apiKey).toMatchObject({ label: PLAIN });
  const workspace = await ada.run('create-workspace', { input: { name: DISGUISED } });
  expect(workspace).toMatchObject({ workspace: { name: PLAIN } });
  const team = await ada.run('create-team', { input: { name: DISGUISED } });
  expect(team).toMatchObject({ team: { name: PLAIN } });
});

test('the name of an account with a direction override is refused', async () => {
  const response = await fetch(`${server.url}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: server.url },
    body: JSON.stringify({ name: 'Ada\u202E', email: 'eve@example.com', password: 'correct horse battery' }),
  });
  expect(response.status).toBe(400);
});
