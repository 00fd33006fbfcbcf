import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { recheckDueKeys } from '../src/keys/recheck.ts';
import { listedModel } from '../src/providers/model-list.ts';
import type { ListedModel } from '../src/providers/provider.ts';
import { holdChecks, liftCheckLimits, listInstead } from './kit/altered-provider.ts';
import { freshDatabase } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { startFleet, through } from './kit/fleet.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** What a provider's list of models gained and lost is recorded for those who manage the key, once. */

let server: TestServer;
let ada: Person;
let key: AddedKey;

beforeAll(async () => {
  server = await startTestServer({}, { database: await freshDatabase() });
  liftCheckLimits(server);
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
  listInstead(server, 'OPENAI', [OLD, STAYS]);
  key = await ada.addKey('OPENAI', `sk-sim-${crypto.randomUUID()}`, { label: 'Work' });
});
afterEach(() => vi.restoreAllMocks());

const OLD = listedModel('gpt-old');
const STAYS = listedModel('gpt-stays');
const DAY_MS = 24 * 60 * 60_000;
const inDays = (days: number) => new Date(Math.floor(Date.now() / DAY_MS + days) * DAY_MS);
const dayOf = (date: Date) => date.toISOString().slice(0, 10);

interface Entry {
  action: string;
  actor: { name: string } | null;
  subjectId: string | null;
  description: string;
}

/** The entries about lists of models that a person can read, oldest first. */
async function recorded(person: Person = ada): Promise<Entry[]> {
  const variables = { id: person.workspaceId, filter: { actions: ['MODELS_CHANGED'] } };
  const { auditLog } = await person.run<{ auditLog: { edges: { node: Entry }[] } }>('audit-log', variables);
  return auditLog.edges.map(({ node }) => node).toReversed();
}

const descriptions = async () => (await recorded()).map(({ description }) => description);

/** Has the list read again, by Ada, with what it is from now on. */
async function relist(...models: ListedModel[]): Promise<void> {
  listInstead(server, 'OPENAI', models);
  await ada.run('check-api-key', { input: { id: key.apiKey.id } });
}

/** Lets the server look at the key by itself, as it does when it is due. */
async function recheck(): Promise<void> {
  await server.app.db
    .update(apiKeys)
    .set({ recheckAt: new Date(0) })
    .where(eq(apiKeys.id, key.apiKey.id));
  await recheckDueKeys({ ...server.app, stopping: new AbortController().signal });
}

test('a new model and one that is gone are recorded with the key and who asked', async () => {
  await relist(STAYS, listedModel('gpt-new'));
  expect(await recorded()).toMatchObject([
    {
      actor: { name: 'Ada' },
      subjectId: key.apiKey.id,
      description:
        'The models of the OpenAI key “Work” changed. New: gpt-new. Gone: gpt-old. To be shut down: none.',
    },
  ]);
  listInstead(server, 'OPENAI', [STAYS]);
  await recheck();
  expect(await recorded()).toMatchObject([
    {},
    {
      actor: null,
      description:
        'The models of the OpenAI key “Work” changed. New: none. Gone: gpt-new. To be shut down: none.',
    },
  ]);
});

test('the first list of a key, an unchanged one, another order and other facts are not recorded', async () => {
  await relist(OLD, STAYS);
  await relist(STAYS, OLD);
  await relist({ ...OLD, contextWindow: 7, title: 'Old' }, { ...STAYS, replacementName: 'gpt-old' });
  expect(await recorded()).toEqual([]);
});

test('a list of many new models is recorded with twenty of them and how many more there are', async () => {
  const many = Array.from({ length: 27 }, (_, index) => `many-${index + 1}`);
  await relist(OLD, STAYS, ...many.map((name) => listedModel(name)));
  const [first = ''] = await descriptions();
  expect(first).toContain(`New: ${many.slice(0, 20).join(', ')} and 7 more. Gone: none.`);
});

test('another secret that lists other models is recorded', async () => {
  listInstead(server, 'OPENAI', [STAYS]);
  const input = { id: key.apiKey.id, secret: `sk-sim-${crypto.randomUUID()}` };
  await ada.run('replace-api-key-secret', { input });
  expect(await recorded()).toMatchObject([
    { actor: { name: 'Ada' }, description: expect.stringContaining('Gone: gpt-old.') },
  ]);
});

describe('a shutdown', () => {
  test('a shutdown that is announced, moved and withdrawn is recorded each time', async () => {
    const [far, further] = [inDays(200), inDays(300)];
    await relist({ ...OLD, shutdownAt: far }, STAYS);
    await relist({ ...OLD, shutdownAt: further }, STAYS);
    await relist({ ...OLD, shutdownAt: further, contextWindow: 7 }, STAYS);
    await relist(OLD, STAYS);
    const shutdowns = (await descriptions()).map((text) => text.slice(text.indexOf('New:')));
    expect(shutdowns).toEqual([
      `New: none. Gone: none. To be shut down: gpt-old on ${dayOf(far)}.`,
      `New: none. Gone: none. To be shut down: gpt-old on ${dayOf(further)}.`,
      'New: none. Gone: none. To be shut down: gpt-old no longer.',
    ]);
  });

  test('a shutdown that has come near since the list was last read is recorded once, though the list is the same', async () => {
    const near = inDays(29);
    await relist({ ...OLD, shutdownAt: near }, STAYS);
    await relist({ ...OLD, shutdownAt: near }, STAYS);
    expect(await recorded()).toHaveLength(1);
    const before = new Date(near.getTime() - 31 * DAY_MS);
    await server.app.db
      .update(apiKeys)
      .set({ modelsRefreshedAt: before })
      .where(eq(apiKeys.id, key.apiKey.id));
    await recheck();
    await recheck();
    expect(await descriptions()).toEqual(
      Array(2).fill(
        `The models of the OpenAI key “Work” changed. New: none. Gone: none. To be shut down: gpt-old on ${dayOf(near)}.`,
      ),
    );
  });
});

test('a change that two servers find at once is recorded once', { timeout: 30_000 }, async () => {
  await using fleet = await startFleet(2);
  const [a, b] = fleet.servers;
  const eve = await a.signUp('Eve');
  for (const each of fleet.servers) listInstead(each, 'OPENAI', [OLD]);
  const { apiKey } = await eve.addKey('OPENAI');
  const held = fleet.servers.map((each) => holdChecks(each, 'OPENAI'));
  const people = [eve, await through(b, eve)];
  const checks = people.map((person) => person.run('check-api-key', { input: { id: apiKey.id } }));
  for (const [check] of await eventually('both checks', () => held.every(({ length }) => length > 0) && held))
    check?.resolve([STAYS]);
  await Promise.all(checks);
  expect(await recorded(eve)).toMatchObject([{ actor: { name: 'Eve' } }]);
});
