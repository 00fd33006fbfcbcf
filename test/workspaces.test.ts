import { setImmediate as turn } from 'node:timers/promises';
import { and, desc, eq, inArray } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memberIdOf } from '../src/db/id.ts';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { invitations } from '../src/db/tables/invitation.ts';
import { messages, threads } from '../src/db/tables/thread.ts';
import { workspaces } from '../src/db/tables/workspace.ts';
import { askHeld } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { nodesOf, type Page } from './kit/page.ts';
import {
  auditOf,
  type Cast,
  change,
  hear,
  invite,
  letIn,
  newWorkspace,
  type Place,
  rolesIn,
  sharedWorkspace,
  signUpCast,
} from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

let server: TestServer;
let cast: Cast;

beforeAll(async () => {
  server = await startTestServer();
  cast = await signUpCast(server);
});

afterAll(() => server?.close());

describe('a shared workspace', () => {
  test('a shared workspace is created, renamed and listed', async () => {
    const ada = await server.signUp();
    const { workspace } = await change(ada, 'create-workspace', { name: '  La\0b \n' });
    expect(workspace).toMatchObject({
      id: workspace.id,
      name: 'Lab',
      kind: 'SHARED',
      plan: 'BUSINESS',
      viewerRole: 'OWNER',
    });
    const renamed = await change(ada, 'update-workspace', { id: workspace.id, name: 'Laboratory' });
    expect(renamed.workspace).toEqual({ ...workspace, name: 'Laboratory' });
    // Nothing to change is nothing to record.
    expect((await change(ada, 'update-workspace', { id: workspace.id })).workspace.name).toBe('Laboratory');
    expect(await namesOf(ada)).toEqual(['Personal', 'Laboratory']);
    expect(await auditOf(server, workspace.id)).toEqual([
      'WORKSPACE_CREATED Lab',
      'WORKSPACE_CHANGED Lab Laboratory',
    ]);
  });

  test.for(['', ' \0\t ', 'x'.repeat(101)])('a shared workspace is not named %o', async (name) => {
    const refused = { __typename: 'InvalidInputError', message: 'A name has between 1 and 100 characters.' };
    expect(await change(cast.owner, 'create-workspace', { name })).toMatchObject(refused);
    const id = cast.owner.workspaceId;
    expect(await change(cast.owner, 'update-workspace', { id, name })).toMatchObject(refused);
  });

  test('a shared workspace can be left by every member but its owner', async () => {
    const id = await sharedWorkspace(cast);
    const heard = hear(server, [id, cast.member.id, cast.owner.id]);
    expect(await change(cast.member, 'leave-workspace', { id })).toEqual({
      __typename: 'LeaveWorkspacePayload',
      removedId: memberIdOf(id, cast.member.id),
    });
    expect(heard()).toEqual({ [id]: [cast.member.id], [cast.member.id]: [id], [cast.owner.id]: [] });
    expect(await cast.member.run('members', { id })).toBeNull();
    expect(await change(cast.viewer, 'leave-workspace', { id })).toMatchObject({
      removedId: memberIdOf(id, cast.viewer.id),
    });
    expect(await rolesIn(cast.owner, id)).toEqual(['Olga OWNER', 'Adam ADMIN']);
    expect(await change(cast.owner, 'leave-workspace', { id })).toMatchObject({
      code: 'CONFLICT',
      message: 'The owner cannot leave. Hand the workspace over to another person first, or delete it.',
    });
    expect((await auditOf(server, id)).slice(-2)).toEqual(['MEMBER_LEFT MEMBER', 'MEMBER_LEFT VIEWER']);
  });

  test('a shared workspace is handed over to a member, who pays for it from then on', async () => {
    const id = await sharedWorkspace(cast);
    const heard = hear(server, [id, cast.owner.id, cast.viewer.id]);
    const { workspace } = await change(cast.owner, 'transfer-workspace', { id, userId: cast.viewer.id });
    expect(workspace).toMatchObject({ id, viewerRole: 'ADMIN' });
    expect(heard()).toEqual({
      [id]: [cast.owner.id, cast.viewer.id, id],
      [cast.owner.id]: [id],
      [cast.viewer.id]: [id],
    });
    expect(await rolesIn(cast.member, id)).toEqual(['Olga ADMIN', 'Adam ADMIN', 'Mia MEMBER', 'Vera OWNER']);
    const [row] = await server.app.db.select().from(workspaces).where(eq(workspaces.id, id));
    expect(row).toMatchObject({ ownerUserId: cast.viewer.id, teamId: null });
    expect((await auditOf(server, id)).at(-1)).toBe('OWNER_CHANGED');
    // Back again, as often as they like.
    await change(cast.viewer, 'transfer-workspace', { id, userId: cast.owner.id });
    expect(await rolesIn(cast.member, id)).toEqual(['Olga OWNER', 'Adam ADMIN', 'Mia MEMBER', 'Vera ADMIN']);
  });

  test('a shared workspace is transferred neither to a person outside of it nor to its owner', async () => {
    const id = await sharedWorkspace(cast);
    const give = (userId: string) => change(cast.owner, 'transfer-workspace', { id, userId });
    const absent = await give('usr_00000000000000000000000000');
    expect(absent).toMatchObject({ code: 'NOT_FOUND' });
    expect(await give(cast.stranger.id)).toEqual(absent);
    expect(await give('\0')).toEqual(absent);
    expect(await give(cast.owner.id)).toMatchObject({
      code: 'CONFLICT',
      message: 'You are the owner of this workspace already.',
    });
  });

  test('a shared workspace is deleted with everything in it, and its members get an event', async () => {
    const id = await sharedWorkspace(cast);
    const { owner, admin, member, viewer } = cast;
    await owner.addKey('OPENAI', undefined, { workspaceId: id });
    await invite(admin, id);
    const thread = await member.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: id },
    });
    const everybody = [owner.id, admin.id, member.id, viewer.id];
    const heard = hear(server, [id, thread.thread.id, ...everybody]);
    expect(await change(owner, 'delete-workspace', { id })).toEqual({
      __typename: 'DeleteWorkspacePayload',
      removedId: id,
    });
    const announced = heard();
    expect(announced[id]?.toSorted()).toEqual([...everybody, id].toSorted());
    expect(announced[thread.thread.id]).toEqual([thread.thread.id]);
    for (const userId of everybody) expect(announced[userId]).toEqual([id]);

    for (const person of [owner, admin, member, viewer])
      expect(await person.run('members', { id })).toBeNull();
    const { db } = server.app;
    expect(await db.$count(apiKeys, eq(apiKeys.workspaceId, id))).toBe(0);
    expect(await db.$count(threads, eq(threads.workspaceId, id))).toBe(0);
    expect(await db.$count(invitations, eq(invitations.workspaceId, id))).toBe(0);
    // What was done to it stays known.
    expect((await auditOf(server, id)).at(-1)).toBe('WORKSPACE_DELETED Lab');
    expect(await change(owner, 'delete-workspace', { id })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a shared workspace is deleted while answers are written in it, which end', async () => {
    const id = await newWorkspace(cast.owner);
    const { models } = await cast.owner.addKey('OPENAI', undefined, { workspaceId: id });
    const nano = models.find(({ name }) => name === 'gpt-4.1-nano') ?? expect.unreachable();
    const made = await cast.owner.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId: id },
    });
    const held = await askHeld(server.simulator, cast.owner, nano, { threadId: made.thread.id });
    held.call.release(1);
    expect(server.app.running.get(held.answerId)).toBeDefined();
    expect(await change(cast.owner, 'delete-workspace', { id })).toMatchObject({ removedId: id });
    await eventually('the answer ends', () => server.app.running.get(held.answerId) === undefined);
  });

  test('a shared workspace is deleted even if another transaction locks its answers in another order', async () => {
    const { db } = server.app;
    for (let round = 0; round < 5; round++) {
      const workspaceId = await newWorkspace(cast.owner);
      const titles = Array.from({ length: 40 }, (_, index) => `Thread ${index}`);
      const made = await db
        .insert(threads)
        .values(titles.map((title) => ({ workspaceId, title, visibility: 'WORKSPACE' as const })))
        .returning({ threadId: threads.id });
      const answer = { position: 1, role: 'ASSISTANT', status: 'COMPLETE', text: 'Yes.' } as const;
      await db.insert(messages).values(made.map(({ threadId }) => ({ threadId, ...answer })));
      let isOver = false;
      /** As a checkpoint does, which takes answers as it finds them, until it waited long enough to be in the way. */
      async function holdAnswers(): Promise<void> {
        const isIn = inArray(
          messages.threadId,
          made.map(({ threadId }) => threadId),
        );
        for (let waitedMs = 0; !isOver && waitedMs < DEADLOCK_MS; ) {
          const startedMs = performance.now();
          await db.select().from(messages).where(isIn).orderBy(desc(messages.id)).for('update');
          waitedMs = performance.now() - startedMs;
          await turn();
        }
      }
      const holding = [holdAnswers(), holdAnswers()].map((held) => held.catch(() => {}));
      const deleted = await change(cast.owner, 'delete-workspace', { id: workspaceId });
      isOver = true;
      await Promise.all(holding);
      expect(deleted).toMatchObject({ removedId: workspaceId });
    }
  });

  test('a shared workspace is one of at most a hundred of a person', async () => {
    const { owner, member } = { owner: await server.signUp(), member: await server.signUp('Bob') };
    const { db } = server.app;
    const row = { kind: 'SHARED', name: 'One of many', ownerUserId: owner.id } as const;
    await db.insert(workspaces).values(Array.from({ length: 99 }, () => row));
    const id = await newWorkspace(owner);
    expect(await change(owner, 'create-workspace', { name: 'One more' })).toMatchObject({
      __typename: 'ConflictError',
      message: 'You own 100 workspaces, which is the most. Delete one first.',
    });
    const own = await newWorkspace(member);
    await letIn(member, own, owner, 'MEMBER');
    expect(await change(member, 'transfer-workspace', { id: own, userId: owner.id })).toMatchObject({
      message: 'This person owns 100 workspaces, which is the most. Delete one first.',
    });
    await change(owner, 'delete-workspace', { id });
    expect(await change(member, 'transfer-workspace', { id: own, userId: owner.id })).toMatchObject({
      workspace: { id: own },
    });
  });

  test('a shared workspace is not made beyond the hundred by two requests at once', async () => {
    const owner = await server.signUp();
    const row = { kind: 'SHARED', name: 'One of many', ownerUserId: owner.id } as const;
    await server.app.db.insert(workspaces).values(Array.from({ length: 98 }, () => row));
    await Promise.all(
      Array.from({ length: 6 }, () => change(owner, 'create-workspace', { name: 'One more' })),
    );
    const owned = and(eq(workspaces.ownerUserId, owner.id), eq(workspaces.kind, 'SHARED'));
    expect(await server.app.db.$count(workspaces, owned)).toBe(100);
  });
});

describe('a personal workspace', () => {
  test('a personal workspace is renamed, and neither deleted, left, shared nor handed over', async () => {
    const ada = await server.signUp();
    const id = ada.workspaceId;
    expect((await change(ada, 'update-workspace', { id, name: 'Desk' })).workspace.name).toBe('Desk');
    const refusal = async (operation: string, more: object = {}) =>
      (await change(ada, operation, { id, ...more })).message;
    expect(await refusal('delete-workspace')).toBe(
      'A personal workspace is one person’s own and cannot be deleted.',
    );
    expect(await refusal('leave-workspace')).toBe(
      'A personal workspace is one person’s own and cannot be left.',
    );
    expect(await refusal('transfer-workspace', { userId: cast.owner.id })).toBe(
      'A personal workspace is one person’s own and cannot be handed over.',
    );
    const input = { workspaceId: id, role: 'MEMBER' };
    expect(await change(ada, 'create-invitation', input)).toMatchObject({
      __typename: 'ConflictError',
      message: 'A personal workspace is one person’s own and cannot be shared.',
    });
    expect(await change(ada, 'add-member', { ...input, userId: cast.owner.id })).toMatchObject({
      __typename: 'ConflictError',
    });
    expect(await rolesIn(ada, id)).toEqual(['Ada OWNER']);
  });
});

async function namesOf(person: Person): Promise<string[]> {
  const { workspaces } = await person.run<{ workspaces: Page<Place> }>('workspaces');
  return nodesOf(workspaces).map(({ name }) => name);
}

/** How long a PostgreSQL server waits before it looks for a deadlock, nearly. */
const DEADLOCK_MS = 900;
