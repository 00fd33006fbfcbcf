import { readFileSync } from 'node:fs';
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { memberIdOf } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { apiKeyModels, models as modelTable } from '../src/db/tables/model.ts';
import { users } from '../src/db/tables/user.ts';
import { memberships } from '../src/db/tables/workspace.ts';
import { workspaceEvents } from '../src/follow/workspace.ts';
import { askHeld, type Follower, follow, TRANSPORTS } from './kit/answer.ts';
import type { KeyResult, ListedModel } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import { recipe } from './kit/pages.ts';
import {
  type Cast,
  change,
  letIn,
  newTeam,
  newWorkspace,
  sharedWorkspace,
  signUpCast,
  teamWorkspace,
} from './kit/people.ts';
import { documentOf, type Person } from './kit/person.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { say } from './kit/say.ts';
import { announceEverywhere, IS_CARRIED, SERVERS, startTestServer, type TestServer } from './kit/server.ts';

/** An event of `workspaceEvents`, with the fields that its document asks for. */
interface WorkspaceEvent {
  __typename: string;
  workspace: { id: string; name: string; plan: string; viewerRole: string };
  apiKey: { id: string; label: string; hint: string | null; scope: string; status: string };
  removedId: string;
  models: ListedModel[] | null;
  message: string | null;
  thread: { id: string; title: string; visibility: string; revision: number };
  member: { user: { id: string; name: string }; role: string };
  userId: string;
}

type Events = AsyncGenerator<WorkspaceEvent>;

let server: TestServer;
let cast: Cast;
let clients: Record<keyof Cast, Follower>;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
  cast = await signUpCast(server);
  clients = {
    owner: cast.owner.socket(),
    admin: cast.admin.socket(),
    member: TRANSPORTS['server-sent events'](cast.member),
    viewer: cast.viewer.socket(),
    stranger: cast.stranger.socket(),
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

afterAll(async () => {
  for (const client of Object.values(clients ?? {})) await client.dispose();
  await server?.close();
});

/** Follows a workspace and reads its snapshot. */
async function following(who: keyof Cast, workspaceId: string): Promise<Events> {
  const events = follow<WorkspaceEvent>(clients[who], 'workspace-events', { workspaceId });
  expect((await nextOf(events)).__typename).toBe('WorkspaceSnapshot');
  return events;
}

async function nextOf(events: Events): Promise<WorkspaceEvent> {
  const { value, done } = await events.next();
  if (done) throw new Error('the subscription ended');
  return value;
}

/**
 * The other events up to now: a shared thread is created, whose event comes after all earlier ones. It must be
 * the first such mark that the reader meets.
 */
async function rest(events: Events, workspaceId: string): Promise<WorkspaceEvent[]> {
  const input = { workspaceId, title: 'mark', visibility: 'WORKSPACE' };
  await change(cast.owner, 'create-thread', input);
  return (await through(events, ({ thread }) => thread?.title === 'mark')).slice(0, -1);
}

/** The events through the first that is the one waited for. */
async function through(
  events: Events,
  isLast: (event: WorkspaceEvent) => boolean,
): Promise<WorkspaceEvent[]> {
  const seen: WorkspaceEvent[] = [];
  for (;;) {
    const event = await nextOf(events);
    seen.push(event);
    if (isLast(event)) return seen;
  }
}

async function addKey(person: Person, owner: object, more: object = {}): Promise<KeyResult> {
  const secret = `sk-sim-${crypto.randomUUID()}-HINT`; // no id has capital letters
  return await person.run<KeyResult>('add-api-key', {
    input: { provider: 'OPENAI', secret, ...owner, ...more },
  });
}

async function newThread(
  person: Person,
  workspaceId: string,
  more: object = {},
): Promise<WorkspaceEvent['thread']> {
  const input = { workspaceId, title: 'Plans', ...more };
  return (await person.run<{ thread: WorkspaceEvent['thread'] }>('create-thread', { input })).thread;
}

describe('following a workspace', () => {
  test('following a workspace begins with a snapshot, over both transports', async () => {
    const workspaceId = await sharedWorkspace(cast);
    for (const who of ['owner', 'member', 'viewer'] as const) {
      const events = follow<WorkspaceEvent>(clients[who], 'workspace-events', { workspaceId });
      expect(await nextOf(events)).toMatchObject({
        __typename: 'WorkspaceSnapshot',
        workspace: { id: workspaceId, name: 'Lab', plan: 'BUSINESS', viewerRole: who.toUpperCase() },
      });
      await events.return(undefined);
    }
  });

  test('the snapshot of the recipe brings the model selector, and the events after it keep it up to date', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { apiKey } = await addKey(cast.owner, { workspaceId });
    const query = recipe('workspace', server.url);
    const results = clients.member.iterate({ query, variables: { id: workspaceId } });
    const nextEvent = async () => {
      const { data } = (await results.next()).value ?? {};
      return (data as { workspaceEvents: object }).workspaceEvents;
    };
    const title = 'gpt-5.1';
    expect(await nextEvent()).toMatchObject({
      workspace: {
        models: { nodes: expect.arrayContaining([expect.objectContaining({ title, isAvailable: true })]) },
      },
    });
    await change(cast.owner, 'remove-api-key', { id: apiKey.id });
    expect(await nextEvent()).toMatchObject({
      models: expect.arrayContaining([expect.objectContaining({ title, isAvailable: false })]),
      message: 'Some OpenAI models cannot be used at the moment. Those who manage the keys can see why.',
    });
    await results.return?.();
  });

  test('a person who is no member gets the same error as for a workspace that does not exist', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const [theirs, nothing] = await Promise.all(
      [workspaceId, 'wsp_00000000000000000000000000'].map(
        async (id) =>
          await nextOf(
            follow<WorkspaceEvent>(clients.stranger, 'workspace-events', { workspaceId: id }),
          ).catch((error: Error) => error.message),
      ),
    );
    expect(theirs).toContain('NOT_FOUND');
    expect(nothing).toBe(theirs);
  });

  test('another name, plan or role is sent with the current workspace', async () => {
    const owner = await server.signUp('Olga');
    const workspaceId = await newWorkspace(owner);
    await letIn(owner, workspaceId, cast.viewer, 'VIEWER');
    const events = await following('viewer', workspaceId);
    await change(owner, 'update-workspace', { id: workspaceId, name: 'Laboratory' });
    expect(await nextOf(events)).toMatchObject({ workspace: { name: 'Laboratory', viewerRole: 'VIEWER' } });
    await setPlan(owner, { userId: owner.id }, 'FREE');
    expect(await nextOf(events)).toMatchObject({
      __typename: 'WorkspaceUpdated',
      workspace: { plan: 'FREE' },
    });
    await change(owner, 'update-member', { workspaceId, userId: cast.viewer.id, role: 'ADMIN' });
    const seen = [await nextOf(events), await nextOf(events)];
    expect(seen).toMatchObject([
      { __typename: 'WorkspaceUpdated', workspace: { viewerRole: 'ADMIN' } },
      { __typename: 'MemberUpdated', member: { user: { name: 'Vera' }, role: 'ADMIN' } },
    ]);
    await events.return(undefined);
  });
});

describe('threads', () => {
  test('threads are sent to members who may see them, from the first to the last change', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const [own, theirs] = [await following('member', workspaceId), await following('viewer', workspaceId)];
    const thread = await newThread(cast.member, workspaceId);
    expect(await nextOf(own)).toMatchObject({ __typename: 'ThreadAdded', thread: { id: thread.id } });
    const input = { id: thread.id };
    await change(cast.member, 'update-thread', { ...input, title: 'Better plans' });
    expect(await nextOf(own)).toMatchObject({
      __typename: 'ThreadUpdated',
      thread: { title: 'Better plans', visibility: 'PRIVATE' },
    });

    // Each time that it is shared it is new to the others, and only changed for its creator.
    for (let round = 0; round < 2; round++) {
      const shared = { thread: { title: 'Better plans', visibility: 'WORKSPACE' } };
      await change(cast.member, 'update-thread', { ...input, visibility: 'WORKSPACE' });
      expect(await nextOf(own)).toMatchObject({ __typename: 'ThreadUpdated', ...shared });
      expect(await nextOf(theirs)).toMatchObject({ __typename: 'ThreadAdded', ...shared });
      await change(cast.member, 'update-thread', { ...input, visibility: 'PRIVATE' });
      expect(await nextOf(own)).toMatchObject({ thread: { visibility: 'PRIVATE' } });
      expect(await nextOf(theirs)).toEqual({ __typename: 'ThreadRemoved', removedId: thread.id });
    }

    // A deleted thread leaves nothing that other servers could find by looking.
    if (IS_CARRIED) {
      await change(cast.member, 'delete-thread', input);
      expect(await nextOf(own)).toEqual({ __typename: 'ThreadRemoved', removedId: thread.id });
    }
    // Not a word of what happened in private.
    expect(await rest(theirs, workspaceId)).toEqual([]);
    await own.return(undefined);
    await theirs.return(undefined);
  });

  test('threads from before the snapshot are never sent as added', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const shared = await newThread(cast.member, workspaceId, { visibility: 'WORKSPACE' });
    const hidden = await newThread(cast.member, workspaceId);
    const [own, theirs] = [await following('member', workspaceId), await following('viewer', workspaceId)];
    // One of several servers may find by a look that the other thread has changed, which it just has.
    const nextAbout = async (events: typeof own, id: string) => {
      for (;;) {
        const event = await nextOf(events);
        if (SERVERS === 1 || event.thread?.id === id) return event;
        expect(event.__typename).toBe('ThreadUpdated');
      }
    };
    await change(cast.member, 'update-thread', { id: shared.id, title: 'Changed' });
    for (const events of [own, theirs])
      expect(await nextAbout(events, shared.id)).toMatchObject({
        __typename: 'ThreadUpdated',
        thread: { id: shared.id },
      });
    await change(cast.member, 'update-thread', { id: hidden.id, visibility: 'WORKSPACE' });
    expect(await nextAbout(own, hidden.id)).toMatchObject({
      __typename: 'ThreadUpdated',
      thread: { id: hidden.id },
    });
    expect(await nextOf(theirs)).toMatchObject({ __typename: 'ThreadAdded', thread: { id: hidden.id } });
    await own.return(undefined);
    await theirs.return(undefined);
  });

  test('threads say with each message and answer that there is more to fetch', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { models } = await addKey(cast.owner, { workspaceId });
    const events = await following('viewer', workspaceId);
    const thread = await newThread(cast.member, workspaceId, { visibility: 'WORKSPACE' });
    await nextOf(events);
    const model = models[0] ?? { id: '' };
    const { call } = await askHeld(server.simulator, cast.member, model, { threadId: thread.id });
    expect((await nextOf(events)).thread.revision).toBe(thread.revision + 1);
    call.release();
    expect((await nextOf(events)).thread.revision).toBe(thread.revision + 2);
    await events.return(undefined);
  });
});

describe('keys and models', () => {
  test('a key is sent to members who manage it, and the change of its models to every member', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const [managed, shown] = [await following('admin', workspaceId), await following('member', workspaceId)];
    const { apiKey, models } = await addKey(cast.owner, { workspaceId }, { label: 'Planted label' });
    const transcript: WorkspaceEvent[] = [];
    async function bothNext(): Promise<WorkspaceEvent> {
      const [left, right] = [await nextOf(managed), await nextOf(shown)];
      transcript.push(right);
      expect(left).toEqual(right);
      return right;
    }

    expect(await nextOf(managed)).toMatchObject({
      __typename: 'ApiKeyAdded',
      apiKey: {
        id: apiKey.id,
        label: 'Planted label',
        hint: apiKey.hint,
        scope: 'WORKSPACE',
        status: 'ACTIVE',
      },
    });
    const added = await bothNext();
    expect(added).toMatchObject({ __typename: 'ModelsUpdated', message: null });
    expect(added.models?.map(({ id }) => id).sort()).toEqual(models.map(({ id }) => id).sort());
    expect(added.models?.every(({ isAvailable, paidBy }) => isAvailable && paidBy === 'WORKSPACE')).toBe(
      true,
    );

    await change(cast.owner, 'update-api-key', { id: apiKey.id, label: 'Planted name' });
    expect(await nextOf(managed)).toMatchObject({
      __typename: 'ApiKeyUpdated',
      apiKey: { label: 'Planted name' },
    });

    await change(cast.owner, 'update-api-key', { id: apiKey.id, isEnabled: false });
    expect(await nextOf(managed)).toMatchObject({ apiKey: { status: 'DISABLED' } });
    const off = await bothNext();
    expect(off.message).toBe(
      'Some OpenAI models cannot be used at the moment. Those who manage the keys can see why.',
    );
    expect(off.models).toHaveLength(models.length);
    expect(off.models?.every(({ isAvailable, paidBy }) => !isAvailable && paidBy === null)).toBe(true);

    await change(cast.owner, 'update-api-key', { id: apiKey.id, isEnabled: true });
    expect(await nextOf(managed)).toMatchObject({ apiKey: { status: 'ACTIVE' } });
    expect(await bothNext()).toMatchObject({ message: null });

    await change(cast.owner, 'remove-api-key', { id: apiKey.id });
    expect(await nextOf(managed)).toEqual({ __typename: 'ApiKeyRemoved', removedId: apiKey.id });
    expect((await bothNext()).models?.every(({ unavailableReason }) => unavailableReason === 'NO_KEY')).toBe(
      true,
    );
    expect(await rest(managed, workspaceId)).toEqual([]);
    expect(await rest(shown, workspaceId)).toEqual([]);
    expect(JSON.stringify(transcript)).not.toMatch(new RegExp(`Planted|${apiKey.id}|${apiKey.hint}`));
    await managed.return(undefined);
    await shown.return(undefined);
  });

  test('a key of a team is sent in its workspaces to managers of the team, and to no other admin', async () => {
    const team = await newTeam(cast.owner);
    for (const person of [cast.member, cast.viewer]) await letIn(cast.owner, team, person, 'MEMBER');
    const workspaceId = await teamWorkspace(cast, team);
    await change(cast.owner, 'update-member', { workspaceId, userId: cast.member.id, role: 'ADMIN' });
    const [managed, shown] = [await following('owner', workspaceId), await following('member', workspaceId)];
    const { apiKey } = await addKey(cast.owner, { teamId: team });
    expect(await nextOf(managed)).toMatchObject({ apiKey: { id: apiKey.id, scope: 'TEAM' } });
    for (const events of [managed, shown]) {
      const { models } = await nextOf(events);
      expect(models?.every(({ paidBy }) => paidBy === 'TEAM')).toBe(true);
    }

    // With a key of its own the workspace pays by itself.
    const own = await addKey(cast.member, { workspaceId });
    for (const events of [managed, shown]) {
      expect(await nextOf(events)).toMatchObject({ apiKey: { id: own.apiKey.id, scope: 'WORKSPACE' } });
      // The team's entries make way for the workspace's own.
      expect(await nextOf(events)).toMatchObject({
        __typename: 'ModelsUpdated',
        models: null,
        message: null,
      });
    }
    await managed.return(undefined);
    await shown.return(undefined);
  });

  test('a member gets key events from becoming a manager of keys until losing the role', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { apiKey } = await addKey(cast.owner, { workspaceId });
    const events = await following('member', workspaceId);
    const userId = cast.member.id;
    await change(cast.owner, 'update-member', { workspaceId, userId, role: 'ADMIN' });
    expect([await nextOf(events), await nextOf(events), await nextOf(events)]).toMatchObject([
      { __typename: 'WorkspaceUpdated', workspace: { viewerRole: 'ADMIN' } },
      { __typename: 'ApiKeyAdded', apiKey: { id: apiKey.id } },
      { __typename: 'MemberUpdated', member: { role: 'ADMIN' } },
    ]);
    await change(cast.owner, 'update-member', { workspaceId, userId, role: 'VIEWER' });
    expect([await nextOf(events), await nextOf(events), await nextOf(events)]).toMatchObject([
      { __typename: 'WorkspaceUpdated', workspace: { viewerRole: 'VIEWER' } },
      { __typename: 'ApiKeyRemoved', removedId: apiKey.id },
      { __typename: 'MemberUpdated', member: { role: 'VIEWER' } },
    ]);
    await change(cast.owner, 'update-api-key', { id: apiKey.id, label: 'Secret name' });
    expect(await rest(events, workspaceId)).toEqual([]);
    await events.return(undefined);
  });

  test('a plan that no longer includes keys, and one that does again, are sent with all changes of keys and models', async () => {
    const owner = await server.signUp('Olga');
    const workspaceId = await newWorkspace(owner);
    await letIn(owner, workspaceId, cast.viewer, 'ADMIN');
    await addKey(owner, { workspaceId });
    const events = await following('viewer', workspaceId);
    for (const [plan, status, reason] of [
      ['FREE', 'SUSPENDED', 'PLAN_REQUIRED'],
      ['PREMIUM', 'ACTIVE', null],
    ] as const) {
      await setPlan(owner, { userId: owner.id }, plan);
      expect(await nextOf(events)).toMatchObject({ __typename: 'WorkspaceUpdated', workspace: { plan } });
      expect(await nextOf(events)).toMatchObject({ __typename: 'ApiKeyUpdated', apiKey: { status } });
      const { models, message } = await nextOf(events);
      expect(models?.every(({ unavailableReason }) => unavailableReason === reason)).toBe(true);
      expect(message === null).toBe(reason === null);
    }
    await events.return(undefined);
  });

  test('the use of a key sends no event, neither alone nor with another change', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { models } = await addKey(cast.owner, { workspaceId });
    const other = await addKey(cast.owner, { workspaceId }, { provider: 'ANTHROPIC' });
    const events = await following('owner', workspaceId);
    const { id: threadId } = await newThread(cast.owner, workspaceId);
    await cast.owner.ask('simulate: say Yes.', models.slice(0, 1), threadId);
    await eventually('that the key was used', async () => {
      const keys = await server.app.db.select().from(apiKeys).where(eq(apiKeys.workspaceId, workspaceId));
      return keys.some(({ lastUsedAt }) => lastUsedAt !== null);
    });
    await change(cast.owner, 'update-api-key', { id: other.apiKey.id, label: 'Other' });
    const changes = await through(events, ({ __typename }) => __typename === 'ApiKeyUpdated');
    const seen = [...changes, ...(await rest(events, workspaceId))].filter(
      ({ thread }) => thread?.id !== threadId,
    );
    expect(seen).toMatchObject([{ __typename: 'ApiKeyUpdated', apiKey: { label: 'Other' } }]);
    await events.return(undefined);
  });

  test('a change of more than 100 models is sent without the models', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { apiKey } = await addKey(cast.owner, { workspaceId });
    const baseUrl =
      (await server.app.db.select().from(apiKeys).where(eq(apiKeys.id, apiKey.id)))[0]?.baseUrl ?? '';
    const named = Array.from({ length: 100 }, (_, index) => `many-${index}`);
    const made = await server.app.db
      .insert(modelTable)
      .values(
        named.map((name) => ({
          workspaceId,
          provider: 'OPENAI',
          baseUrl,
          name,
          title: name,
          capabilities: [],
        })),
      )
      .returning({ id: modelTable.id });
    await server.app.db
      .insert(apiKeyModels)
      .values(made.map(({ id }, position) => ({ apiKeyId: apiKey.id, modelId: id, position })));
    const events = await following('viewer', workspaceId);
    await change(cast.owner, 'update-api-key', { id: apiKey.id, isEnabled: false });
    expect(await nextOf(events)).toMatchObject({ __typename: 'ModelsUpdated', models: null });
    await events.return(undefined);
  });
});

describe('what time changes', () => {
  // Without a bus the new key may be found only after that.
  test.runIf(IS_CARRIED)('a key that expires is sent at its expiry', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const [managed, shown] = [await following('admin', workspaceId), await following('viewer', workspaceId)];
    const expiresAt = new Date(Date.now() + 1_500);
    const { apiKey } = await addKey(cast.owner, { workspaceId }, { expiresAt });
    for (const events of [managed, managed, shown]) await nextOf(events);
    expect(await nextOf(managed)).toMatchObject({ apiKey: { id: apiKey.id, status: 'EXPIRED' } });
    const lateMs = Date.now() - expiresAt.getTime();
    say(`a key that expires: sent ${lateMs} ms after the moment set`);
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(1_000);
    for (const events of [managed, shown]) {
      const { models } = await nextOf(events);
      expect(models?.every(({ unavailableReason }) => unavailableReason === 'KEY_EXPIRED')).toBe(true);
    }
    await managed.return(undefined);
    await shown.return(undefined);
  });

  test('the end of a rate limit is sent', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const { apiKey } = await addKey(cast.owner, { workspaceId });
    const events = await following('owner', workspaceId);
    const rateLimitedUntil = new Date(Date.now() + 700);
    await server.app.db.update(apiKeys).set({ rateLimitedUntil }).where(eq(apiKeys.id, apiKey.id));
    announceEverywhere(server, workspaceId, [apiKey.id]);
    expect(await nextOf(events)).toMatchObject({ apiKey: { status: 'RATE_LIMITED' } });
    expect(await nextOf(events)).toMatchObject({ apiKey: { status: 'ACTIVE' } });
    expect(Date.now()).toBeGreaterThanOrEqual(rateLimitedUntil.getTime());
    await events.return(undefined);
  });

  test('what another process did is found within half a minute', async () => {
    const owner = await server.signUp('Olga');
    const events = await workspaceEvents(server.app, viewerOf(owner), owner.workspaceId);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    await events.next();
    await server.app.db.update(users).set({ plan: 'FREE' }).where(eq(users.id, owner.id));
    const seen = events.next();
    await vi.advanceTimersByTimeAsync(30_000);
    expect((await seen).value).toMatchObject({ type: 'workspace-updated', workspace: { plan: 'FREE' } });
    await events.return?.();
    // What connects several servers has timers too.
    if (SERVERS === 1) expect(vi.getTimerCount()).toBe(0);
  });
});

describe('members', () => {
  test('members are sent when they are added, change and are removed', async () => {
    const workspaceId = await sharedWorkspace(cast);
    const events = await following('viewer', workspaceId);
    const eve = { id: cast.stranger.id, name: 'Eve' };
    await letIn(cast.owner, workspaceId, cast.stranger, 'MEMBER');
    expect(await nextOf(events)).toMatchObject({
      __typename: 'MemberAdded',
      member: { user: eve, role: 'MEMBER' },
    });
    await change(cast.owner, 'update-member', { workspaceId, userId: eve.id, role: 'ADMIN' });
    expect(await nextOf(events)).toMatchObject({ member: { user: eve, role: 'ADMIN' } });
    await change(cast.stranger, 'leave-workspace', { id: workspaceId });
    expect(await nextOf(events)).toEqual({
      __typename: 'MemberRemoved',
      removedId: memberIdOf(workspaceId, eve.id),
      userId: eve.id,
    });
    // Who comes back is new again to those who were sent that they had gone.
    await letIn(cast.owner, workspaceId, cast.stranger, 'VIEWER');
    expect(await nextOf(events)).toMatchObject({
      __typename: 'MemberAdded',
      member: { user: eve, role: 'VIEWER' },
    });
    await events.return(undefined);
  });

  test('members of a team are sent in the workspaces that they are in, and in no other', async () => {
    const team = await newTeam(cast.owner);
    for (const person of [cast.member, cast.viewer]) await letIn(cast.owner, team, person, 'MEMBER');
    const workspaceId = await teamWorkspace(cast, team);
    const events = await following('viewer', workspaceId);
    await letIn(cast.owner, team, cast.stranger, 'MEMBER');
    expect(await rest(events, workspaceId)).toEqual([]);
    await change(cast.owner, 'update-member', { teamId: team, userId: cast.stranger.id, role: 'ADMIN' });
    expect(await nextOf(events)).toMatchObject({ member: { user: { name: 'Eve' }, role: 'ADMIN' } });
    await change(cast.owner, 'remove-member', { teamId: team, userId: cast.member.id });
    expect(await nextOf(events)).toEqual({
      __typename: 'MemberRemoved',
      removedId: memberIdOf(workspaceId, cast.member.id),
      userId: cast.member.id,
    });
    await events.return(undefined);
  });
});

test('however many follow a workspace, its models are read once for each change', async () => {
  const owner = await server.signUp('Olga');
  const { apiKey, models } = await owner.addKey();
  const followers = await Promise.all(
    Array.from({ length: 10 }, () => workspaceEvents(server.app, viewerOf(owner), owner.workspaceId)),
  );
  const transaction = vi.spyOn(server.app.db, 'transaction');
  const reads = () =>
    transaction.mock.calls.filter(([, options]) => options?.accessMode === 'read only').length;
  await Promise.all(followers.map((events) => events.next()));
  expect(reads()).toBe(1);
  await change(owner, 'update-api-key', { id: apiKey.id, isEnabled: false });
  for (const events of followers) {
    expect((await events.next()).value).toMatchObject({ type: 'api-key-updated' });
    const { value } = await events.next();
    expect(value).toMatchObject({ type: 'models-updated' });
    expect(value?.type === 'models-updated' && value.models).toHaveLength(models.length);
  }
  expect(reads()).toBe(2);
  for (const events of followers) await events.return?.();
});

describe('a slow reader', () => {
  test.runIf(IS_CARRIED)(
    'a slow reader gets each object once, in its current state, however often it changed',
    async () => {
      const owner = await server.signUp('Olga');
      const { workspaceId } = owner;
      const { apiKey } = await owner.addKey();
      const events = await workspaceEvents(server.app, viewerOf(owner), workspaceId);
      await events.next();
      const threads = [await newThread(owner, workspaceId), await newThread(owner, workspaceId)];
      for (let round = 0; round < 20; round++) {
        for (const { id } of threads) await change(owner, 'update-thread', { id, title: `Round ${round}` });
        await change(owner, 'update-api-key', { id: apiKey.id, label: `Round ${round}` });
      }
      const seen = [await events.next(), await events.next(), await events.next()].map(({ value }) => value);
      expect(seen).toMatchObject([
        { type: 'thread-added', thread: { id: threads[0]?.id, title: 'Round 19' } },
        { type: 'thread-added', thread: { id: threads[1]?.id, title: 'Round 19' } },
        { type: 'api-key-updated', apiKey: { label: 'Round 19' } },
      ]);
      const further = events.next();
      await change(owner, 'delete-thread', { id: threads[0]?.id });
      expect((await further).value).toEqual({ type: 'thread-removed', removedId: threads[0]?.id });
      await events.return?.();
    },
  );

  test.runIf(IS_CARRIED)(
    'a slow reader who lost the right meanwhile is sent none of the pending events',
    async () => {
      const owner = await server.signUp('Olga');
      const workspaceId = await newWorkspace(owner);
      await letIn(owner, workspaceId, cast.stranger, 'ADMIN');
      const events = await workspaceEvents(server.app, viewerOf(cast.stranger), workspaceId);
      await events.next();
      await addKey(owner, { workspaceId });
      await newThread(owner, workspaceId, { visibility: 'WORKSPACE' });
      await change(owner, 'remove-member', { workspaceId, userId: cast.stranger.id });
      expect((await events.next()).value).toMatchObject({
        type: 'access-lost',
        error: { code: 'NOT_FOUND' },
      });
      expect(await events.next()).toEqual({ done: true, value: undefined });
    },
  );

  test('a slow reader whose removal was not announced loses access once the last check is a few seconds old', async () => {
    const owner = await server.signUp('Olga');
    const workspaceId = await newWorkspace(owner);
    await letIn(owner, workspaceId, cast.stranger, 'MEMBER');
    const events = await workspaceEvents(server.app, viewerOf(cast.stranger), workspaceId);
    await events.next();
    await server.app.db.delete(memberships).where(eq(memberships.workspaceId, workspaceId));
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 5_001);
    await newThread(owner, workspaceId, { visibility: 'WORKSPACE' });
    expect((await events.next()).value).toMatchObject({ type: 'access-lost' });
  });
});

test('the document that clients start from knows every event', () => {
  const possibleTypes: Record<string, string[]> = JSON.parse(
    readFileSync('schema/possible-types.json', 'utf8'),
  );
  for (const name of possibleTypes.WorkspaceEvent ?? [])
    expect(documentOf('workspace-events')).toContain(`... on ${name} {`);
});

/** As the server knows a person once they are let in. */
function viewerOf({ id, email }: Person) {
  return { id, email, name: 'Olga', sessionId: 'ses_none', address: '127.0.0.1' };
}
