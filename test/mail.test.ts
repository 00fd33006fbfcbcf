import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { readConfig, takeConfig } from '../src/config.ts';
import { verifications } from '../src/db/tables/user.ts';
import { createPasswordReset } from '../src/workspaces/control-account.ts';
import { bearer, postAccount } from './kit/account-request.ts';
import { captureLog } from './kit/log.ts';
import { type Person, post } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { DEFAULT_ATTEMPTS, startTestServer, type TestServer } from './kit/server.ts';
import { type SmtpServer, startSmtpServer } from './kit/smtp-server.ts';

const password = 'correct horse battery';
const newPassword = 'another horse battery';

let smtp: SmtpServer;
let server: TestServer;
beforeAll(async () => {
  smtp = await startSmtpServer();
  server = await startTestServer({
    LATCHKEY_SMTP_URL: smtp.url.replace('//', '//post%40office:p%25ss@'),
    LATCHKEY_MAIL_FROM: 'The chat <chat@example.com>',
  });
});
afterAll(async () => {
  await server.close();
  await smtp[Symbol.asyncDispose]();
});
afterEach(() => vi.restoreAllMocks());

describe('a person who forgot their password', () => {
  test('a person who forgot their password is sent a link that sets a new one once and ends all sessions', async () => {
    const ada = await server.signUp();
    const socket = await openFor(ada);
    expect(
      (await postAccount(server, 'request-password-reset', { email: ada.email.toUpperCase() })).status,
    ).toBe(200);
    const mail = await smtp.mailTo(ada.email);
    expect(mail.from).toBe('chat@example.com');
    expect(mail.headers.get('from')).toBe('The chat <chat@example.com>');
    expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
    expect(mail.text).toContain(`\n${server.url}/reset-password#${mail.token}\n`);
    expect(smtp.signIns.at(-1)).toBe('post@office p%ss');
    expect((await fetch(`${server.url}/reset-password`)).status).toBe(200);
    expect(JSON.stringify(await server.app.db.select().from(verifications))).not.toContain(mail.token);

    const reset = { token: mail.token, newPassword };
    expect(await codeOf(server, 'reset-password', reset)).toBe('200 undefined');
    expect(await socket.closed).toBe('4403 Forbidden');
    expect(await codeOf(server, 'reset-password', reset)).toBe('400 INVALID_TOKEN');
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password })).toBe(
      '401 INVALID_EMAIL_OR_PASSWORD',
    );
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password: newPassword })).toBe(
      '200 undefined',
    );
  });

  test('a request for a reset does not reveal whether the account exists', async () => {
    const ada = await server.signUp();
    const answers: string[] = [];
    for (const email of ['nobody@example.com', ada.email]) {
      const response = await postAccount(server, 'request-password-reset', { email });
      answers.push(`${response.status} ${await response.text()}`);
    }
    expect(answers[0]).toBe(answers[1]);
    await smtp.mailTo(ada.email); // which was asked for later
    expect(smtp.mails.filter(({ to }) => to === 'nobody@example.com')).toEqual([]);
  });

  test('a reset can be requested a few times an hour, with or without an account, also if other senders use the address', async () => {
    await using limited = await startTestServer(
      { LATCHKEY_SMTP_URL: smtp.url, LATCHKEY_TRUSTED_PROXIES: '127.0.0.1' },
      { attempts: { ...DEFAULT_ATTEMPTS, mailsPerAccount: 2 } },
    );
    const ada = await limited.signUp(); // from 127.0.0.1, which is known from then on
    const ask = async (email: string, address?: string) => {
      const more = address === undefined ? {} : { 'x-forwarded-for': address };
      const response = await postAccount(limited, 'request-password-reset', { email }, more);
      return response.status;
    };
    const askThrice = async (email: string, address: string) => {
      const statuses: number[] = [];
      for (let round = 0; round < 3; round++) statuses.push(await ask(email, address));
      return statuses;
    };
    for (const email of [ada.email, 'nobody@example.com']) {
      expect(await askThrice(email, '203.0.113.1')).toEqual([200, 200, 429]);
      expect(await askThrice(email, '203.0.113.2')).toEqual([200, 200, 429]);
      expect(await askThrice(email, '203.0.113.3')).toEqual([429, 429, 429]);
    }
    expect(await ask(ada.email)).toBe(200);
  });

  test('a person who forgot their password loses the links of before when the password is changed', async () => {
    const ada = await server.signUp();
    await postAccount(server, 'request-password-reset', { email: ada.email });
    const { token } = await smtp.mailTo(ada.email);
    const byOperator = await createPasswordReset(server.app, { userId: ada.id });
    const change = { currentPassword: password, newPassword };
    expect(await codeOf(server, 'change-password', change, ada.token)).toBe('200 undefined');
    for (const link of [token, byOperator.token])
      expect(await codeOf(server, 'reset-password', { token: link, newPassword })).toBe('400 INVALID_TOKEN');
  });
});

describe('another email', () => {
  test('changing the email needs the password and a link sent to the new address, and the old one gets a notice', async () => {
    const ada = await server.signUp();
    const newEmail = `new-${ada.email}`;
    expect(await codeOf(server, 'change-email', { newEmail }, ada.token)).toBe('400 BAD_INPUT');
    const wrong = { newEmail, password: 'wrong horse battery' };
    expect(await codeOf(server, 'change-email', wrong, ada.token)).toBe('400 INVALID_PASSWORD');
    expect(await codeOf(server, 'change-email', { newEmail, password })).toBe('401 UNAUTHORIZED');
    expect(await codeOf(server, 'change-email', { newEmail, password }, ada.token)).toBe('200 undefined');
    expect((await smtp.mailTo(ada.email)).text).toContain('set a new password at once');
    expect((await smtp.mailTo(ada.email)).token).toBeUndefined();
    const { token, text } = await smtp.mailTo(newEmail);
    expect(text).toContain(`\n${server.url}/change-email#${token}\n`);
    expect((await fetch(`${server.url}/change-email`)).status).toBe(200);
    expect(await emailOf(ada)).toBe(ada.email);

    expect(await confirm(server, token)).toBe('200 undefined');
    expect(await confirm(server, token)).toBe('400 INVALID_TOKEN');
    expect(await emailOf(ada)).toBe(newEmail);
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password })).toBe(
      '401 INVALID_EMAIL_OR_PASSWORD',
    );
    expect(await codeOf(server, 'sign-in/email', { email: newEmail, password })).toBe('200 undefined');
  });

  test('a new email is refused after the password was reset, since its request may have used a stolen one', async () => {
    const ada = await server.signUp();
    const newEmail = `thief-${ada.email}`;
    await postAccount(server, 'change-email', { newEmail, password }, bearer(ada.token));
    const { token } = await smtp.mailTo(newEmail);
    const reset = await createPasswordReset(server.app, { userId: ada.id });
    expect(await codeOf(server, 'reset-password', { token: reset.token, newPassword })).toBe('200 undefined');
    expect(await confirm(server, token)).toBe('400 INVALID_TOKEN');
    expect(await codeOf(server, 'sign-in/email', { email: ada.email, password: newPassword })).toBe(
      '200 undefined',
    );
  });

  test('an email of another account is not revealed, and one that was taken meanwhile changes nothing', async () => {
    const ada = await server.signUp();
    const bob = await server.signUp('Bob');
    const free = `free-${ada.email}`;
    const ask = async (newEmail: string) => {
      const response = await postAccount(server, 'change-email', { newEmail, password }, bearer(ada.token));
      return `${response.status} ${await response.text()}`;
    };
    expect(await ask(bob.email)).toBe(await ask(free));
    const { token } = await smtp.mailTo(free);
    expect(smtp.mails.filter(({ to }) => to === bob.email)).toEqual([]);
    const signUp = { name: 'Cid', email: free, password };
    expect(await codeOf(server, 'sign-up/email', signUp)).toBe('200 undefined');
    expect(await confirm(server, token)).toBe('409 USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL');
    expect(await emailOf(ada)).toBe(ada.email);
  });
});

describe('a server without mail', () => {
  test('a server without mail says in a sentence what to do instead', async () => {
    await using without = await startTestServer();
    const ada = await without.signUp();
    const reset = await postAccount(without, 'request-password-reset', { email: ada.email });
    expect({ status: reset.status, body: await reset.json() }).toEqual({
      status: 400,
      body: {
        code: 'MAIL_NOT_SET_UP',
        message:
          'This server sends no mail. Ask its operator for a link that sets a new password; they make one with: latchkey user reset-password EMAIL',
      },
    });
    const input = { newEmail: `new-${ada.email}`, password };
    const change = await postAccount(without, 'change-email', input, bearer(ada.token));
    expect({ status: change.status, body: await change.json() }).toEqual({
      status: 400,
      body: {
        code: 'MAIL_NOT_SET_UP',
        message:
          'This server sends no mail, so another address cannot be confirmed. Ask its operator to set LATCHKEY_SMTP_URL.',
      },
    });
  });

  test('a server without mail shows no link for a forgotten password, and one with mail does', async () => {
    await using without = await startTestServer();
    expect(await (await fetch(without.url)).text()).toContain('data-mail="off"');
    const html = await (await fetch(server.url)).text();
    expect(html).toContain('data-mail="on"');
    expect(html).toContain('<p class="other when-mail"><a href="#forgot-password">Forgot password?</a></p>');
    const css = await (await fetch(`${server.url}/front-page.css`)).text();
    expect(css).toMatch(/\[data-mail="off"\] \.when-mail,[^}]*display: none/);
  });
});

describe('a mail that cannot be sent', () => {
  test('a mail that cannot be sent is logged without its address, its link or the words of the mail server', async () => {
    await using refusing = await startSmtpServer('refuses');
    await using away = await startTestServer({ LATCHKEY_SMTP_URL: refusing.url });
    const ada = await away.signUp();
    const lines = captureLog();
    expect((await postAccount(away, 'request-password-reset', { email: ada.email })).status).toBe(200);
    const line = await vi.waitUntil(() => lines.find((each) => each.includes('could not be sent')));
    expect(JSON.parse(line)).toMatchObject({
      level: 40,
      msg: 'a mail could not be sent',
      mail: 'password-reset',
      failure: 'Error EENVELOPE',
      userId: ada.id,
    });
    expect(lines.join('')).not.toContain(ada.email);
    expect(lines.join('')).not.toContain('#');
  });

  test('a mail that cannot be sent holds up neither the request nor the end of the server', async () => {
    await using silent = await startSmtpServer('silent');
    const waiting = await startTestServer({ LATCHKEY_SMTP_URL: silent.url });
    const ada = await waiting.signUp();
    expect((await postAccount(waiting, 'request-password-reset', { email: ada.email })).status).toBe(200);
    await vi.waitUntil(() => silent.connections() === 1);
    const lines = captureLog();
    const startedAt = performance.now();
    await waiting.close();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(lines.filter((line) => line.includes('a mail could not be sent'))).toHaveLength(1);
  });

  test('a mail that cannot be sent and one that was sent leaves no trace of its link in any log line', async () => {
    const ada = await server.signUp();
    const lines = captureLog();
    await postAccount(server, 'request-password-reset', { email: ada.email });
    const newEmail = `log-${ada.email}`;
    await postAccount(server, 'change-email', { newEmail, password }, bearer(ada.token));
    const tokens = [(await smtp.mailTo(newEmail)).token, (await smtp.mailTo(ada.email)).token];
    expect(await confirm(server, tokens[0])).toBe('200 undefined');
    expect(await confirm(server, tokens[0])).toBe('400 INVALID_TOKEN');
    await vi.waitUntil(() => lines.some((line) => line.includes('INVALID_TOKEN')));
    for (const secret of [...tokens, ada.email, newEmail])
      expect(lines.join('')).not.toContain(secret ?? expect.unreachable());
  });
});

describe('the settings', () => {
  const read = (env: Record<string, string>) => readConfig(env).mail;

  test('the mail settings are a URL and a sender', () => {
    expect(read({})).toBeNull();
    expect(read({ LATCHKEY_SMTP_URL: 'smtp://127.0.0.1:2525' })).toEqual({
      host: '127.0.0.1',
      port: 2525,
      isTls: false,
      requiresTls: false,
      credentials: null,
      from: { name: 'Latchkey', address: 'latchkey@localhost' },
    });
    const env = { LATCHKEY_PUBLIC_URL: 'https://chat.example.com', HOST: '0.0.0.0' };
    expect(read({ ...env, LATCHKEY_SMTP_URL: 'smtps://ada%40example.com:p%2Fw@mail.example.com' })).toEqual({
      host: 'mail.example.com',
      port: 465,
      isTls: true,
      requiresTls: false,
      credentials: { user: 'ada@example.com', pass: 'p/w' },
      from: { name: 'Latchkey', address: 'latchkey@chat.example.com' },
    });
    const from = { LATCHKEY_MAIL_FROM: 'chat@example.com' };
    expect(read({ ...from, LATCHKEY_SMTP_URL: 'smtp://ada:pw@mail.example.com' })).toMatchObject({
      port: 587,
      requiresTls: true,
      from: { name: '', address: 'chat@example.com' },
    });
  });

  test.each([
    ['mail.example.com', 'is not a URL that begins with smtp:// or smtps://'],
    ['https://mail.example.com', 'is not a URL that begins with smtp:// or smtps://'],
    ['smtp://', 'names no host'],
    ['smtp://mail.example.com/inbox', 'has a path, a query or a fragment'],
    ['smtp://mail.example.com?pool=true', 'has a path, a query or a fragment'],
    ['smtp://ada:100%@mail.example.com', 'has a % in its user or password'],
  ])('the mail settings refuse %s in a sentence', (url, sentence) => {
    expect(() => read({ LATCHKEY_SMTP_URL: url })).toThrow(`LATCHKEY_SMTP_URL ${sentence}`);
  });

  test.each(['', 'chat', 'The chat', 'a@b, c@d', 'Chat\n<a@b>', '"Chat" <a@b>'])(
    'refuse the sender %j in a sentence',
    (sender) => {
      const env = { LATCHKEY_SMTP_URL: 'smtp://127.0.0.1', LATCHKEY_MAIL_FROM: sender };
      expect(() => read(env)).toThrow(
        'Write an address, like latchkey@example.com or Latchkey <latchkey@example.com>.',
      );
    },
  );

  test('the mail settings never repeat a password, and leave none in the environment', () => {
    const env: Record<string, string | undefined> = { LATCHKEY_SMTP_URL: 'smtp://ada:hunter2@mail/x' };
    expect(() => readConfig(env)).toThrow(/^LATCHKEY_SMTP_URL has a path((?!hunter2).)*$/);
    env.LATCHKEY_SMTP_URL = 'smtp://ada:hunter2@mail';
    takeConfig(env);
    expect(env.LATCHKEY_SMTP_URL).toBeUndefined();
  });

  test('the mail settings require a public URL for links on a server that others reach', () => {
    expect(() => read({ LATCHKEY_SMTP_URL: 'smtp://mail', HOST: '0.0.0.0' })).toThrow(
      'LATCHKEY_SMTP_URL needs LATCHKEY_PUBLIC_URL',
    );
  });
});

async function codeOf(on: TestServer, path: string, body: object, token?: string): Promise<string> {
  return await describeResponse(await postAccount(on, path, body, token === undefined ? {} : bearer(token)));
}

/** What the page behind the link does. */
async function confirm({ url }: TestServer, token: string | undefined): Promise<string> {
  return await describeResponse(await fetch(`${url}/api/auth/verify-email?token=${token}`));
}

async function describeResponse(response: Response): Promise<string> {
  const { code } = (await response.json()) as { code?: string };
  return `${response.status} ${code}`;
}

async function emailOf({ url, token }: Person): Promise<unknown> {
  const { data } = await post(url, token, { query: '{ viewer { email } }' });
  return (data?.viewer as { email: string } | null)?.email;
}
