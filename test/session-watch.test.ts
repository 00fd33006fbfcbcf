import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SessionWatch } from '../src/accounts/session-watch.ts';
import { Changes } from '../src/changes.ts';
import type { OpenDatabase } from '../src/db/database.ts';
import { newId } from '../src/db/id.ts';
import { sessions, users } from '../src/db/tables/user.ts';
import { freshDatabase } from './kit/database.ts';

const MANY = 66_000; // more than one statement can have parameters
const userId = newId('usr');

let database: OpenDatabase;
let watch: SessionWatch;

beforeAll(async () => {
  database = await freshDatabase();
  await database.db.insert(users).values({ id: userId, name: 'Ada', email: 'ada@example.com' });
});
afterEach(() => watch.close());
afterAll(() => database.close());

async function addSession(expiresAt: Date): Promise<string> {
  const id = newId('ses');
  await database.db.insert(sessions).values({ id, userId, token: id, expiresAt });
  return id;
}

test('of many sessions those that are gone end, and one that lives or was prolonged does not', async () => {
  const changes = new Changes();
  watch = new SessionWatch({ db: database.db, changes });
  const alive = await addSession(new Date(Date.now() + 60_000));
  const prolonged = await addSession(new Date(Date.now() + 300));
  const runsOut = await addSession(new Date(Date.now() + 300));
  await database.db
    .update(sessions)
    .set({ expiresAt: new Date(Date.now() + 60_000) })
    .where(eq(sessions.id, prolonged));
  const ended = new Set<string>();
  const end = (id: string) =>
    new Promise<void>((resolve) => watch.watch(id, () => resolve(void ended.add(id))));
  const gone = Array.from({ length: MANY }, (_, index) => `ses_gone_${index}`);
  void end(alive);
  void end(prolonged);
  await Promise.all([runsOut, ...gone].map(end));
  expect(ended.size).toBe(MANY + 1);
  expect([ended.has(alive), ended.has(prolonged)]).toEqual([false, false]);
});
