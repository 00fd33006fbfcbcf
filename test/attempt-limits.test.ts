import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { AttemptLimits } from '../src/accounts/attempt-limits.ts';
import { readConfig } from '../src/config.ts';
import { createInProcessWindow, InProcessWindow } from '../src/limits/in-process.ts';
import { type Networks, networkOf, readAddress } from '../src/networks.ts';
import { postAccount } from './kit/account-request.ts';
import { DEFAULT_ATTEMPTS, startTestServer, type TestServer } from './kit/server.ts';

const password = 'correct horse battery';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('trying passwords', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ LATCHKEY_TRUSTED_PROXIES: '127.0.0.1' }, { attempts: FEW_ATTEMPTS });
  });
  afterAll(() => server.close());

  test('trying passwords ends after the last one for an account, and says when it may go on; other accounts are not held up', async () => {
    const { email } = await server.signUp();
    const tries = await statusesOf(server, 3, () => ({
      email: ` ${email.toUpperCase()}`,
      password: 'wrong',
    }));
    expect(tries).toEqual([400, 429, 429]);
    const refused = await signIn(server, { email, password }, from('192.0.2.99'));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(570);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(600);
    expect(await refused.json()).toEqual({
      code: 'RATE_LIMITED',
      message: 'Too many tries. Wait a little, then try again.',
    });
    const other = await server.signUp();
    expect(await statusesOf(server, 3, () => ({ email: other.email, password }))).toEqual([200, 200, 200]);
  });

  test('password tries are counted for the address of the socket, not for one that the client claims', async () => {
    await using direct = await startTestServer({}, { attempts: FEW_ATTEMPTS });
    const email = newEmail();
    const wrong = () => ({ email, password });
    expect(await statusesOf(direct, 2, wrong, (index) => `203.0.113.${index}`)).toEqual([401, 429]);
  });

  test.each([
    ['addresses of one IPv6 /64', (index: number) => `2001:db8:1:2::${index.toString(16)}`],
    ['spellings of one IPv6 address', (index: number) => (index % 2 ? '2001:DB8:1::1' : '2001:db8:1:0:0::1')],
    ['zones of one address', (index: number) => `fe80::1%eth${index}`],
    ['ports of one address', (index: number) => `203.0.113.9:${40_000 + index}`],
    ['ports of one IPv6 address', (index: number) => `[2001:db8::9]:${40_000 + index}`],
    ['an address mapped into IPv6', (index: number) => `${index % 2 ? '::ffff:' : ''}203.0.113.9`],
    ['hexadecimal mapped addresses', (index: number) => (index % 2 ? '::FFFF:cb00:7109' : '203.0.113.9')],
    ['addresses before the one the proxy wrote', (index: number) => `198.51.100.${index}, 203.0.113.9`],
    ['addresses before a second proxy', (index: number) => `1.1.1.${index}, 203.0.113.9, ::ffff:127.0.0.1`],
  ])('trying passwords from %s is trying from one', async (_what, addressAt) => {
    const email = newEmail();
    expect(await statusesOf(server, 2, () => ({ email, password }), addressAt)).toEqual([401, 429]);
  });

  test('trying passwords from many addresses ends for new ones, while the person still signs in where they have before', async () => {
    const email = newEmail();
    const home = '198.51.100.7';
    await postAccount(server, 'sign-up/email', { name: 'Ada', email, password }, from(home));
    const wrong = () => ({ email, password: 'wrong' });
    const elsewhere = await statusesOf(server, 4, wrong, (index) => `203.0.113.${index}`);
    expect(elsewhere).toEqual([401, 401, 429, 429]);
    expect((await signIn(server, { email, password }, from('192.0.2.1'))).status).toBe(429);
    expect((await signIn(server, { email, password }, from(home))).status).toBe(200);
    expect(await statusesOf(server, 2, wrong, () => home)).toEqual([401, 429]);
  });

  test('trying passwords too often by one client leaves another new client its own', async () => {
    const { email } = await server.signUp();
    const wrong = () => ({ email, password: 'wrong' });
    expect(await statusesOf(server, 3, wrong, () => '203.0.113.1')).toEqual([401, 429, 429]);
    expect((await signIn(server, { email, password }, from('203.0.113.2'))).status).toBe(200);
  });

  test('trying passwords to change or delete an account counts for that account, whatever else the request names', async () => {
    const { email, token } = await server.signUp();
    const bearer = { authorization: `Bearer ${token}` };
    const guess = (path: string, more: object) =>
      postAccount(server, path, { email: newEmail(), newPassword: 'another horse', ...more }, bearer);
    expect((await guess('change-password', { currentPassword: 'wrong' })).status).toBe(400);
    expect((await guess('change-password', { currentPassword: 'wrong' })).status).toBe(429);
    expect((await guess('delete-user', { password: 'wrong' })).status).toBe(429);
    expect((await signIn(server, { email, password })).status).toBe(429);
  });

  test.each([
    'sign-in/email/',
    '/sign-in/email',
    'sign-in/email?a=b',
    'sign-in/%65mail',
    'x/../sign-in/email',
  ])('trying passwords at another spelling of the path is no way around it: %s', async (path) => {
    const body = { email: newEmail(), password };
    const statuses = [await postAccount(server, path, body), await postAccount(server, path, body)].map(
      ({ status }) => status,
    );
    expect(statuses).toBeOneOf([
      [401, 429],
      [404, 404],
    ]);
  });

  test('trying passwords ends after a hundred from one address, and so do accounts in an hour; excepted networks do not', async () => {
    const networks = readConfig({ LATCHKEY_UNLIMITED_NETWORKS: '10.20.0.0/16' }).unlimitedNetworks;
    const limits = new AttemptLimits(DEFAULT_ATTEMPTS, networks, createInProcessWindow);
    const passwordAt = (address: string) => (account: number) =>
      limits.takePassword({ account: `${account}`, address, isKnownAddress: false });
    const once = Array.from({ length: 101 }, (_, index) => index);
    const refused = async (taken: Promise<Date | null>[]) =>
      (await Promise.all(taken)).filter((retryAt) => retryAt !== null).length;
    expect(await refused(once.map(passwordAt('203.0.113.7')))).toBe(1);
    expect(await refused(once.map(passwordAt('10.20.3.4')))).toBe(0);
    expect(await refused(once.map(() => limits.takeSignUp('203.0.113.7')))).toBe(1);
    expect(await refused(once.map(() => limits.takeSignUp('10.20.3.4')))).toBe(0);
  });

  test('trying passwords is limited by settings, and a setting that is no number stops the start', () => {
    const env = { LATCHKEY_SIGN_INS_PER_ACCOUNT: '3', LATCHKEY_KEY_CHECKS_PER_ADDRESS: '500' };
    expect(readConfig(env).attempts).toEqual({
      signInsPerAccount: 3,
      signInsPerAddress: 100,
      signUpsPerAddress: 100,
      mailsPerAccount: 5,
      mailsPerAddress: 30,
      keyChecksPerPerson: 10,
      keyChecksPerAddress: 500,
    });
    for (const wrong of ['0', '-1', 'many', '1.5', ''])
      expect(() => readConfig({ LATCHKEY_SIGN_UPS_PER_ADDRESS: wrong })).toThrow(
        `LATCHKEY_SIGN_UPS_PER_ADDRESS is "${wrong}". Set a whole number from 1 to 1000000.`,
      );
  });
});

describe('a window', () => {
  test('a window does not count refused tries, and forgets each subject after its length', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
    const window = new InProcessWindow(1_000);
    const once = [{ subject: 'a', most: 1 }];
    expect(await window.take(once, 0)).toBeNull();
    expect(await window.take([{ subject: 'b', most: 1 }, ...once], 500)).toEqual(new Date(500));
    expect(await window.take([{ subject: 'b', most: 1 }], 500)).toBeNull();
    expect(await window.take(once, 1_001)).toBeNull();
  });

  test('a window uses monotonic time, so that a clock adjustment locks no person out', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: new Date('2026-12-01T00:00:00Z') });
    const window = new InProcessWindow(600_000);
    const limits = [{ subject: 'a', most: 1 }];
    expect(await window.take(limits)).toBeNull();
    vi.setSystemTime(new Date('2026-11-01T00:00:00Z'));
    expect(await window.take(limits)).toEqual(new Date('2026-11-01T00:10:00Z'));
    vi.advanceTimersByTime(600_001);
    expect(await window.take(limits)).toBeNull();
  });
});

describe('the address of a client', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7', '203.0.113.7'],
    [' 203.0.113.7:443 ', '203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7', '203.0.113.7'],
    ['0:0:0:0:0:FFFF:cb00:7107', '203.0.113.7', '203.0.113.7'],
    ['[::ffff:203.0.113.7]:80', '203.0.113.7', '203.0.113.7'],
    ['2001:DB8:1:2:3::1', '2001:db8:1:2:3::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::1', '2001:db8:0:0::/64'],
    ['[fe80::1%eth0]:8080', 'fe80::1', 'fe80:0:0:0::/64'],
    ['::1', '::1', '0:0:0:0::/64'],
  ])('%s is read as %s and counts as %s', (text, address, network) => {
    expect(readAddress(text)).toBe(address);
    expect(networkOf(address)).toBe(network);
  });

  test.each(['', 'unknown', '_hidden', '203.0.113', '010.0.0.1', '2001:db8::g', '1.2.3.4:x', '[::1'])(
    'is not in %j',
    (text) => expect(readAddress(text)).toBeNull(),
  );

  test('the address of a client is looked for in networks of either family, mapped ones too; others stop the start', () => {
    const read = (text: string): Networks => readConfig({ LATCHKEY_TRUSTED_PROXIES: text }).trustedProxies;
    const proxies = read('10.0.0.0/8, fd00::/8, 192.0.2.1, ::ffff:198.51.100.0/120, ::FFFF:127.0.0.1');
    for (const inside of ['10.1.2.3', 'fd12::1', '192.0.2.1', '198.51.100.255', '127.0.0.1'])
      expect([inside, proxies.includes(inside)]).toEqual([inside, true]);
    for (const outside of ['11.0.0.1', 'fe80::1', '192.0.2.2', '198.51.101.0', 'unknown', '::1'])
      expect([outside, proxies.includes(outside)]).toEqual([outside, false]);
    for (const wrong of [
      '10.0.0.0/33',
      'fd00::/129',
      '10.0.0.0/',
      'localhost',
      '10.0.0/8',
      '::ffff:1.2.3.4/64',
    ])
      expect(() => read(wrong)).toThrow(
        `LATCHKEY_TRUSTED_PROXIES has "${wrong}". Write IP addresses or networks, e.g. 10.0.0.2, 10.0.0.0/8 or fd00::/8.`,
      );
  });
});

/** Hashing takes its time, so few tries have to do: one for an account from one address, two from all new ones. */
const FEW_ATTEMPTS = { ...DEFAULT_ATTEMPTS, signInsPerAccount: 1 };

async function statusesOf(
  server: TestServer,
  count: number,
  bodyOf: () => object,
  addressAt: (index: number) => string = () => '192.0.2.99',
): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < count; index++)
    statuses.push((await signIn(server, bodyOf(), from(addressAt(index)))).status);
  return statuses;
}

function from(address: string): Record<string, string> {
  return { 'x-forwarded-for': address, 'x-latchkey-address': address };
}

function newEmail(): string {
  return `ada-${crypto.randomUUID()}@example.com`;
}

function signIn(server: TestServer, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return postAccount(server, 'sign-in/email', body, headers);
}
