import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { listedModel } from '../src/providers/model-list.ts';
import type { ListedModel } from '../src/providers/provider.ts';
import { liftCheckLimits, listInstead } from './kit/altered-provider.ts';
import { type Follower, follow } from './kit/answer.ts';
import type { ListedModel as Shown } from './kit/api-key.ts';
import { faster } from './kit/faster.ts';
import { startFleet, through } from './kit/fleet.ts';
import { startMemoryBus } from './kit/memory-bus.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { type Cast, change, sharedTeam, sharedWorkspace, signUpCast, teamWorkspace } from './kit/people.ts';
import type { AddedKey, Person } from './kit/person.ts';
import { IS_CARRIED } from './kit/server.ts';
import { useSite } from './kit/site.ts';

/** Everybody who follows a workspace learns which models are new or gone, and which will be shut down, as soon as that is known. */

const site = useSite();
let cast: Cast;
let workspaceId: string;
let apiKey: AddedKey['apiKey'];
let clients: Follower[];

beforeAll(async () => {
  liftCheckLimits(site.server);
  cast = await signUpCast(site.server);
});
beforeEach(() => {
  clients = [];
  return disposeClients;
});
afterEach(() => vi.restoreAllMocks());

async function disposeClients(): Promise<void> {
  for (const client of clients) await client.dispose();
}

interface Notice {
  modelId: string;
  name: string;
  title: string;
  provider: string;
  shutdownAt: string | null;
  replacementId: string | null;
  replacementTitle: string | null;
}

interface ModelsUpdated {
  __typename: string;
  models: Shown[] | null;
  added: Notice[];
  addedCount: number;
  removed: Notice[];
  removedCount: number;
  shuttingDown: Notice[];
  message: string | null;
}

type Events = AsyncGenerator<ModelsUpdated>;

/** From now on, until mocks are restored, OpenAI lists these models. */
const list = (...models: ListedModel[]) => listInstead(site.server, 'OPENAI', models);

/** A workspace whose key lists these models. */
async function begin(...models: ListedModel[]): Promise<void> {
  workspaceId = await sharedWorkspace(cast);
  list(...models);
  apiKey = await addKey({ workspaceId });
}

async function addKey(owner: object, provider = 'OPENAI'): Promise<AddedKey['apiKey']> {
  const input = { ...owner, provider, secret: `sk-sim-${crypto.randomUUID()}` };
  return (await cast.owner.run<AddedKey>('add-api-key', { input })).apiKey;
}

/** Has the list read again, which is this from now on. */
async function relist(...models: ListedModel[]): Promise<void> {
  list(...models);
  await change(cast.owner, 'check-api-key', { id: apiKey.id });
}

async function following(person: Person, inWorkspace = workspaceId): Promise<Events> {
  const client = person.socket();
  clients.push(client);
  const events = follow<ModelsUpdated>(client, 'workspace-events', { workspaceId: inWorkspace });
  await events.next();
  return events;
}

/** The next change of models. */
async function next(events: Events): Promise<ModelsUpdated> {
  for (;;) {
    const { value } = await events.next();
    if (value.__typename === 'ModelsUpdated') return value;
  }
}

const DAY_MS = 24 * 60 * 60_000;
const inDays = (days: number) => new Date(Math.floor(Date.now() / DAY_MS + days) * DAY_MS);
const dayOf = (date: Date) => date.toISOString().slice(0, 10);
const names = (notices: readonly Notice[]) => notices.map(({ name }) => name);
const OLD = listedModel('gpt-old');
const STAYS = listedModel('gpt-stays');

test('a new model and one that is gone are told to a member and to a manager, once', async () => {
  await begin(OLD, STAYS);
  const all = [await following(cast.member), await following(cast.admin)];
  await relist({ ...STAYS, contextWindow: 7 }, listedModel('gpt-new', { title: 'New one' }));
  const [seen, other] = await Promise.all(all.map(next));
  expect(other).toEqual(seen);
  expect(seen).toMatchObject({
    models: expect.arrayContaining([
      expect.objectContaining({ name: 'gpt-new', isAvailable: true }),
      expect.objectContaining({ name: 'gpt-stays', contextWindow: 7 }),
      expect.objectContaining({ name: 'gpt-old', isAvailable: false }),
    ]),
    added: [{ provider: 'OPENAI', name: 'gpt-new', title: 'New one', shutdownAt: null, replacementId: null }],
    addedCount: 1,
    removed: [{ provider: 'OPENAI', name: 'gpt-old' }],
    removedCount: 1,
    shuttingDown: [],
    message: 'gpt-old is no longer offered. Choose another model.',
  });
  // The next change has no word of this one.
  await relist(STAYS, listedModel('gpt-newer'));
  expect(await next(all[0] ?? expect.unreachable())).toMatchObject({
    added: [{ name: 'gpt-newer' }],
    removed: [{ name: 'gpt-new' }],
  });
});

test('of many new models the first twenty are named, and of many that are gone three in the message', async () => {
  const many = Array.from({ length: 27 }, (_, index) => listedModel(`many-${index + 10}`));
  await begin(STAYS);
  const events = await following(cast.viewer);
  await relist(STAYS, ...many);
  const seen = await next(events);
  expect([seen.added.length, seen.addedCount, seen.message]).toEqual([20, 27, null]);
  await relist(STAYS, ...many.slice(5));
  expect((await next(events)).message).toBe(
    'many-10 is no longer offered. Choose another model. many-11 is no longer offered. Choose another model. many-12 is no longer offered. Choose another model. 2 other models cannot be asked any more.',
  );
});

describe('a shutdown', () => {
  test('a shutdown that is announced and near is told with the model to ask instead', async () => {
    await begin(OLD, STAYS);
    const all = [await following(cast.member), await following(cast.admin)];
    const shutdownAt = inDays(20);
    const replacementName = 'gpt-stays';
    await relist({ ...OLD, shutdownAt, replacementName }, STAYS);
    const [seen, other] = await Promise.all(all.map(next));
    expect(other).toEqual(seen);
    expect(seen).toMatchObject({
      models: [{ name: 'gpt-old', isAvailable: true }],
      added: [],
      removed: [],
      shuttingDown: [
        { name: 'gpt-old', shutdownAt: shutdownAt.toISOString(), replacementTitle: 'gpt-stays' },
      ],
      message: `gpt-old will be shut down on ${dayOf(shutdownAt)}. Use gpt-stays.`,
    });
  });

  test('a shutdown that is moved is told again, one that is far or withdrawn changes the model without a word', async () => {
    await begin({ ...OLD, shutdownAt: inDays(20) }, STAYS);
    const events = await following(cast.member);
    const steps: [Date | null, string | null][] = [
      [inDays(25), `gpt-old will be shut down on ${dayOf(inDays(25))}. Choose another model.`],
      [inDays(200), null],
      [inDays(300), null],
      [null, null],
    ];
    for (const [shutdownAt, message] of steps) {
      await relist({ ...OLD, shutdownAt }, STAYS);
      const seen = await next(events);
      expect([names(seen.shuttingDown), seen.message]).toEqual([
        message === null ? [] : ['gpt-old'],
        message,
      ]);
      expect(seen.models).toMatchObject([{ name: 'gpt-old' }]);
    }
  });

  test.runIf(IS_CARRIED)(
    'a shutdown is told at the moment when it has come near, and when it has passed',
    async () => {
      await begin(OLD, STAYS);
      const events = await following(cast.member);
      const soon = new Date(Date.now() + 30 * DAY_MS + 4_000);
      const far = { ...STAYS, shutdownAt: soon };
      const passing = { ...OLD, shutdownAt: new Date(Date.now() + 6_000), replacementName: 'gpt-stays' };
      await relist(passing, far);
      expect(names((await next(events)).shuttingDown)).toEqual(['gpt-old']);
      const near = await next(events);
      expect(Date.now()).toBeGreaterThanOrEqual(soon.getTime() - 30 * DAY_MS);
      expect([names(near.shuttingDown), near.removedCount]).toEqual([['gpt-stays'], 0]);
      const past = await next(events);
      expect(Date.now()).toBeGreaterThanOrEqual(passing.shutdownAt.getTime());
      expect(past).toMatchObject({
        models: [{ name: 'gpt-old', isAvailable: false, unavailableReason: 'MODEL_UNAVAILABLE' }],
        removed: [{ name: 'gpt-old', shutdownAt: passing.shutdownAt.toISOString() }],
        shuttingDown: [],
        message: `gpt-old was shut down on ${dayOf(passing.shutdownAt)}. Use gpt-stays.`,
      });
    },
  );

  test('a shutdown of a model is one of its variants too, which only those are told who have them', async () => {
    await begin(OLD, STAYS);
    const { models } = await cast.member.run<{ models: Page<Shown> }>('models', { workspaceId });
    const baseModelId = nodesOf(models).find(({ name }) => name === 'gpt-old')?.id;
    await change(cast.member, 'create-model-variant', { workspaceId, baseModelId, title: 'Mine' });
    const [own, others] = [await following(cast.member), await following(cast.admin)];
    await relist({ ...OLD, shutdownAt: inDays(20) }, STAYS);
    const seen = await next(own);
    expect(seen.shuttingDown.map(({ title }) => title)).toEqual(['gpt-old', 'Mine']);
    expect(seen.message).toBe(`gpt-old will be shut down on ${dayOf(inDays(20))}. Choose another model.`);
    const told = await next(others);
    expect(told.shuttingDown.map(({ title }) => title)).toEqual(['gpt-old']);
    expect(JSON.stringify(told)).not.toContain('Mine');
  });
});

test('models whose key is removed are gone for a reason that those who manage the keys can see', async () => {
  await begin(OLD, STAYS);
  const events = await following(cast.member);
  await change(cast.owner, 'remove-api-key', { id: apiKey.id });
  const seen = await next(events);
  expect(names(seen.removed)).toEqual(['gpt-old', 'gpt-stays']);
  expect(seen.message).toBe(
    'Some OpenAI models cannot be used at the moment. Those who manage the keys can see why.',
  );
});

test('a key that is switched off and on again makes no model new or gone', async () => {
  await begin(OLD, STAYS);
  const events = await following(cast.member);
  for (const isEnabled of [false, true]) {
    await change(cast.owner, 'update-api-key', { id: apiKey.id, isEnabled });
    expect(await next(events)).toMatchObject({ added: [], removed: [], shuttingDown: [] });
  }
});

test('the models of a workspace’s own key that its team has too are neither new nor gone', async () => {
  const teamId = await sharedTeam(cast);
  workspaceId = await teamWorkspace(cast, teamId);
  list(OLD, STAYS);
  await addKey({ teamId });
  const events = await following(cast.member);
  list(OLD, STAYS, listedModel('gpt-new'));
  const own = await addKey({ workspaceId });
  expect(await next(events)).toMatchObject({ added: [{ name: 'gpt-new' }], addedCount: 1, removedCount: 0 });
  await change(cast.owner, 'remove-api-key', { id: own.id });
  expect(await next(events)).toMatchObject({
    addedCount: 0,
    removed: [{ name: 'gpt-new' }],
    removedCount: 1,
  });
});

test.for(['a bus', 'the database alone'])(
  'what one of two servers finds is told once on both, over %s',
  { timeout: 30_000 },
  async (carrier) => {
    const hub = carrier === 'a bus' ? startMemoryBus() : undefined;
    await using fleet = await startFleet(2, { hub, times: faster(5) });
    await using _clients = { [Symbol.asyncDispose]: disposeClients };
    const [a, b] = fleet.servers;
    const eve = await a.signUp('Eve');
    const listOnBoth = (...models: ListedModel[]) => {
      for (const each of fleet.servers) listInstead(each, 'OPENAI', models);
    };
    listOnBoth(OLD);
    const { apiKey: key } = await eve.addKey('OPENAI');
    const all = await Promise.all(
      [eve, await through(b, eve)].map((person) => following(person, eve.workspaceId)),
    );
    listOnBoth({ ...OLD, shutdownAt: new Date(Date.now() + 4_000) }, STAYS);
    await eve.run('check-api-key', { input: { id: key.id } });
    const told = await Promise.all(all.map(async (events) => [await next(events), await next(events)]));
    for (const seen of told)
      expect(seen).toMatchObject([
        { added: [{ name: 'gpt-stays' }], shuttingDown: [{ name: 'gpt-old' }], removed: [] },
        { added: [], shuttingDown: [], removed: [{ name: 'gpt-old' }] },
      ]);
  },
);
