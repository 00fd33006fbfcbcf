import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { bearer, postAccount } from './kit/account-request.ts';
import { freshDatabase } from './kit/database.ts';
import { captureErrors } from './kit/log.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());

const password = 'correct horse battery';

describe('a request to an account', () => {
  test.each([
    ['that tells its length', (body: string) => ({ body })],
    ['in chunks', (body: string) => ({ body: new Blob([body]).stream(), duplex: 'half' as const })],
  ])('a request to an account larger than 64 KiB is refused before it is read: %s', async (_what, bodyOf) => {
    const body = JSON.stringify({ name: 'Ada', email: newEmail(), password: 'x'.repeat(64 * 1024) });
    const response = await fetch(`${server.url}/api/auth/sign-up/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url },
      ...bodyOf(body),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toEqual({
      code: 'TOO_LARGE',
      message: 'The request is too large. At most 64 KiB.',
    });
  });

  test.each(['{', 'null', '[]', '"x"', '\xff'])(
    'a request to an account whose body is no object is refused: %s',
    async (body) => {
      const response = await fetch(`${server.url}/api/auth/sign-in/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: server.url },
        body,
      });
      expect(response.status).toBe(400);
      expect(await response.json()).toEqual({ code: 'BAD_INPUT', message: 'The body is no JSON object.' });
    },
  );

  test('a request to an account that asks whether a password is right is not answered', async () => {
    const { token } = await server.signUp();
    expect((await postAccount(server, 'verify-password', { password }, bearer(token))).status).toBe(404);
  });

  test('a request to an account by another method, or for a path with a NUL, is refused', async () => {
    expect((await fetch(`${server.url}/api/auth/get-session`, { method: 'DELETE' })).status).toBe(405);
    expect((await fetch(`${server.url}/api/auth/reset-password/%00`)).status).toBe(400);
  });

  test.each([
    [{ name: 'A\0da' }, 'name has a control character. Leave it out.'],
    [{ name: 'A\nda' }, 'name has a control character. Leave it out.'],
    [{ name: 'x'.repeat(101) }, 'A name has at most 100 characters.'],
    [{ name: ' ' }, 'A name has at least one character.'],
    [{ email: `${'x'.repeat(250)}@example.com` }, 'An email has at most 254 characters.'],
    [{ email: 'a\0@example.com' }, 'email has a control character. Leave it out.'],
    [{ image: 'https://example.com/x.png' }, 'Accounts have no image. Leave the field out.'],
  ])('a request to an account creates none with %j', async (field, message) => {
    const response = await postAccount(server, 'sign-up/email', {
      name: 'Ada',
      email: newEmail(),
      password,
      ...field,
    });
    expect([response.status, await response.json()]).toEqual([400, { code: 'BAD_INPUT', message }]);
  });

  test('a request to an account changes a name within the same limits, and never sets an image', async () => {
    const { token } = await server.signUp();
    for (const field of [{ name: 'x'.repeat(101) }, { name: 'A\0' }, { image: 'x' }])
      expect((await postAccount(server, 'update-user', field, bearer(token))).status).toBe(400);
    expect((await postAccount(server, 'update-user', { name: 'Ada Lovelace' }, bearer(token))).status).toBe(
      200,
    );
    expect((await postAccount(server, 'revoke-session', { token: '\0' }, bearer(token))).status).toBe(400);
  });
});

describe('a database that fails', () => {
  test('a database that fails is not printed, whatever the request; the request ends with 500 and a name in the log', async () => {
    const database = await freshDatabase();
    await using broken = await startTestServer({}, { database });
    const { email, token } = await broken.signUp();
    const printed = ['error', 'warn', 'log', 'info', 'debug'].map((name) =>
      vi.spyOn(console, name as 'error').mockImplementation(() => {}),
    );
    const lines = captureErrors();
    const refuse = sql.raw(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no %', new; end $$`,
    );
    await database.db.execute(refuse);
    for (const table of ['sessions', 'accounts', 'users'])
      await database.db.execute(
        sql.raw(
          `create trigger refuse before insert or update on ${table} for each row execute function refuse()`,
        ),
      );
    const requests: [string, object, Record<string, string>?][] = [
      ['sign-in/email', { email, password }],
      ['sign-up/email', { email: newEmail(), password, name: 'Canary Person' }],
      ['change-password', { currentPassword: password, newPassword: 'another horse battery' }, bearer(token)],
      ['update-user', { name: 'Canary Person' }, bearer(token)],
    ];
    for (const [path, body, headers] of requests) {
      const response = await postAccount(broken, path, body, headers);
      const text = await response.text();
      expect([path, response.status]).toEqual([path, expect.toBeOneOf([422, 500])]);
      expect(text).not.toMatch(/insert|update "|Canary|scrypt|horse/i);
    }
    expect(printed.flatMap((spy) => spy.mock.calls)).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(lines.join()).not.toMatch(/Canary|horse|example\.com|insert|params/i);
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({ requestId: expect.any(String), failure: expect.any(String) });
  });
});

function newEmail(): string {
  return `ada-${crypto.randomUUID()}@example.com`;
}
