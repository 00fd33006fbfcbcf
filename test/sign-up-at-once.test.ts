import { afterEach, expect, test, vi } from 'vitest';
import { PasswordHashes } from '../src/accounts/password-hash.ts';
import { freshDatabase } from './kit/database.ts';
import { post } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

afterEach(() => vi.restoreAllMocks());

test('fifty people who sign up at the same moment all get an account that works, and no other request waits', async () => {
  await using server = await startTestServer({}, { hashes: new PasswordHashes() });
  const bystander = await server.signUp();
  let isOver = false;
  const looking = (async () => {
    while (!isOver)
      expect(
        (await post(server.url, bystander.token, { query: '{ viewer { id } }' })).errors,
      ).toBeUndefined();
  })();
  const people = await Promise.all(Array.from({ length: 50 }, (_, index) => server.signUp(`P${index}`)));
  isOver = true;
  await looking;
  expect(new Set(people.map(({ workspaceId }) => workspaceId)).size).toBe(50);
}, 120_000);

test('a password is hashed before a transaction is begun, never within one', async () => {
  const database = await freshDatabase();
  let open = 0;
  const transaction = database.db.transaction.bind(database.db);
  vi.spyOn(database.db, 'transaction').mockImplementation((work, ...more) =>
    transaction(
      async (tx) => {
        open++;
        return await work(tx).finally(() => {
          open--;
        });
      },
      ...more,
    ),
  );
  const openWhileHashing: number[] = [];
  const hash = PasswordHashes.prototype.prepare;
  vi.spyOn(PasswordHashes.prototype, 'prepare').mockImplementation(async function (
    this: PasswordHashes,
    text,
  ) {
    openWhileHashing.push(open);
    await hash.call(this, text);
    openWhileHashing.push(open);
  });
  await using server = await startTestServer({}, { database });
  await server.signUp();
  expect(openWhileHashing).toEqual([0, 0]);
});

test('more passwords than can be hashed soon are refused with a time to come back, not kept waiting', async () => {
  const hashing = Promise.withResolvers<string>();
  const hashes = new PasswordHashes({ hash: () => hashing.promise, verify: async () => true });
  const asked = Array.from({ length: 310 }, () => hashes.hash('correct horse'));
  hashing.resolve('hash');
  const ends = await Promise.allSettled(asked);
  const refused = ends.filter((end) => end.status === 'rejected');
  expect(ends.filter((end) => end.status === 'fulfilled')).toHaveLength(303);
  expect(refused[0]?.reason).toMatchObject({
    statusCode: 503,
    body: { code: 'OVERLOADED', message: expect.stringContaining('Try again in a few seconds.') },
    headers: { 'retry-after': '5' },
  });
});
