import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { invitations } from '../src/db/tables/invitation.ts';
import { sharedDatabase } from './kit/database.ts';
import { nodesOf, type Page } from './kit/page.ts';
import {
  auditOf,
  type Cast,
  change,
  hear,
  invite,
  letIn,
  newTeam,
  newWorkspace,
  ownerInput,
  type PeopleResult,
  rolesIn,
  sharedTeam,
  sharedWorkspace,
  signUpCast,
  teamWorkspace,
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

/** What is answered to a token that opens nothing, whatever the reason. */
const NONE = {
  __typename: 'NotFoundError',
  code: 'NOT_FOUND',
  message:
    'There is no such invitation, or you have no access to it. It may have been used or revoked, or have expired: ask for another one.',
  fixableBy: 'YOU',
  retryAt: null,
};

describe('an invitation', () => {
  test('an invitation into a workspace is accepted once, by the first person with its token', async () => {
    const { owner, admin } = cast;
    const [bob, eve] = [await server.signUp('Bob'), await server.signUp('Eve')];
    const id = await newWorkspace(owner);
    await letIn(owner, id, admin, 'ADMIN');
    const { invitation, token } = await change(admin, 'create-invitation', {
      workspaceId: id,
      role: 'VIEWER',
    });
    expect(token).toMatch(/^[\w-]{43}$/);
    const heard = hear(server, [id, bob.id]);
    expect(await change(bob, 'accept-invitation', { token })).toMatchObject({
      __typename: 'AcceptInvitationPayload',
      workspace: { id, viewerRole: 'VIEWER' },
      team: null,
    });
    expect(heard()).toEqual({ [id]: [bob.id], [bob.id]: [id] });
    expect(await rolesIn(bob, id)).toEqual(['Olga OWNER', 'Adam ADMIN', 'Bob VIEWER']);
    expect(await change(eve, 'accept-invitation', { token })).toEqual(NONE);
    expect(await open(owner, id)).toEqual([]);
    expect((await auditOf(server, id)).slice(-2)).toEqual([
      'INVITATION_CREATED VIEWER',
      'MEMBER_ADDED VIEWER',
    ]);
    expect(await change(owner, 'revoke-invitation', { id: invitation.id })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('an invitation into a team makes a member of the team, and of none of its workspaces', async () => {
    const bob = await server.signUp('Bob');
    const teamId = await sharedTeam(cast);
    const workspaceId = await teamWorkspace(cast, teamId);
    const heard = hear(server, [teamId, workspaceId, bob.id]);
    const token = await invite(cast.admin, teamId);
    expect(await change(bob, 'accept-invitation', { token })).toMatchObject({
      workspace: null,
      team: { id: teamId, viewerRole: 'MEMBER' },
    });
    expect(heard()).toEqual({
      [teamId]: [bob.id],
      [workspaceId]: [bob.id],
      [bob.id]: [teamId, workspaceId],
    });
    expect(await bob.run('members', { id: workspaceId })).toBeNull();
    // An admin of the team is one in all of them.
    const eve = await server.signUp('Eve');
    await letIn(cast.owner, teamId, eve, 'ADMIN');
    expect((await rolesIn(eve, workspaceId)).at(-1)).toBe('Eve ADMIN');
  });

  test('an invitation that expired, was used, revoked or made up, or whose workspace is gone, is answered the same', async () => {
    const { owner, stranger } = cast;
    const id = await newWorkspace(owner);
    const revoked = await change(owner, 'create-invitation', { workspaceId: id, role: 'MEMBER' });
    await change(owner, 'revoke-invitation', { id: revoked.invitation.id });
    const used = await invite(owner, id);
    await change(cast.member, 'accept-invitation', { token: used });
    const gone = await newWorkspace(owner);
    const toGone = await invite(owner, gone);
    await change(owner, 'delete-workspace', { id: gone });
    const expired = await change(owner, 'create-invitation', { workspaceId: id, role: 'MEMBER' });
    expect(await open(owner, id)).toHaveLength(1);
    await server.app.db
      .update(invitations)
      .set({ expiresAt: new Date(Date.now() - 1) })
      .where(eq(invitations.id, expired.invitation.id));
    expect(await open(owner, id)).toEqual([]);
    const madeUp = Buffer.alloc(32, 7).toString('base64url');
    for (const token of [expired.token, revoked.token, used, toGone, madeUp, '', '\0', expired.invitation.id])
      expect(await change(stranger, 'accept-invitation', { token })).toEqual(NONE);
    expect(await rolesIn(owner, id)).toEqual(['Olga OWNER', 'Mia MEMBER']);
  });

  test('an invitation stays open when a member tries to accept it', async () => {
    const id = await sharedWorkspace(cast);
    const token = await invite(cast.owner, id, 'ADMIN');
    for (const person of [cast.owner, cast.viewer])
      expect(await change(person, 'accept-invitation', { token })).toMatchObject({
        __typename: 'ConflictError',
        message: 'You are in this workspace already. The invitation is still good for another person.',
      });
    expect((await rolesIn(cast.owner, id)).at(-1)).toBe('Vera VIEWER');
    const bob = await server.signUp('Bob');
    expect(await change(bob, 'accept-invitation', { token })).toMatchObject({ workspace: { id } });
  });

  test('an invitation is good only while its maker may manage members', async () => {
    const { owner, admin, stranger } = cast;
    for (const kind of [sharedWorkspace, sharedTeam]) {
      const id = await kind(cast);
      const token = await invite(admin, id);
      const input = { ...ownerInput(id), userId: admin.id };
      await change(owner, 'update-member', { ...input, role: 'MEMBER' });
      expect(await change(stranger, 'accept-invitation', { token })).toEqual(NONE);
      expect(await open(owner, id)).toEqual([]);
      await change(owner, 'remove-member', input);
      expect(await change(stranger, 'accept-invitation', { token })).toEqual(NONE);

      await letIn(owner, id, admin, 'ADMIN');
      expect(await open(owner, id)).toMatchObject([{ createdBy: { name: 'Adam' } }]);
      const accepted = await change(stranger, 'accept-invitation', { token });
      expect(accepted.__typename).toBe('AcceptInvitationPayload');
    }
  });

  test('an invitation is seen by those who manage members, without what opens it', async () => {
    const { owner, admin, member, viewer } = cast;
    for (const id of [await sharedWorkspace(cast), await sharedTeam(cast)]) {
      const made = await change(admin, 'create-invitation', {
        ...ownerInput(id),
        role: 'MEMBER',
        expiresInHours: 1,
      });
      const [listed] = await open(owner, id);
      expect(listed).toEqual({
        id: made.invitation.id,
        role: 'MEMBER',
        createdAt: expect.any(String),
        expiresAt: made.invitation.expiresAt,
        createdBy: { id: admin.id, name: 'Adam' },
      });
      const { createdAt = '', expiresAt = '' } = listed ?? {};
      const hours = (Date.parse(expiresAt) - Date.parse(createdAt)) / 3_600_000;
      expect(hours).toBeCloseTo(1, 2);
      for (const person of [member, viewer])
        expect(await person.run('invitations', { id })).toMatchObject({ invitations: null });

      const [row] = await server.app.db
        .select()
        .from(invitations)
        .where(eq(invitations.id, made.invitation.id));
      expect(Buffer.from(row?.tokenHash ?? [])).toEqual(createHash('sha256').update(made.token).digest());
      expect(JSON.stringify(row)).not.toContain(made.token);
    }
  });

  test('an invitation is revoked only by members who manage members', async () => {
    const { owner, admin, member, stranger } = cast;
    const id = await sharedWorkspace(cast);
    const { invitation } = await change(owner, 'create-invitation', { workspaceId: id, role: 'MEMBER' });
    const revoke = (person: Person, invitationId: string) =>
      change(person, 'revoke-invitation', { id: invitationId });
    expect(await revoke(member, invitation.id)).toMatchObject({ __typename: 'NotPermittedError' });
    const absent = await revoke(stranger, 'inv_00000000000000000000000000');
    expect(absent).toMatchObject({
      code: 'NOT_FOUND',
      message: 'There is no such invitation, or you have no access to it.',
    });
    expect(await revoke(stranger, invitation.id)).toEqual(absent);
    expect(await revoke(admin, invitation.id)).toEqual({
      __typename: 'RevokeInvitationPayload',
      removedId: invitation.id,
    });
    expect(await revoke(admin, invitation.id)).toEqual(absent);
    expect((await auditOf(server, id)).at(-1)).toBe('INVITATION_REVOKED MEMBER');
  });

  test('an invitation is good for 1 to 720 hours, a week if nothing is said', async () => {
    const id = await newWorkspace(cast.owner);
    const make = (expiresInHours?: number | null) =>
      change(cast.owner, 'create-invitation', { workspaceId: id, role: 'MEMBER', expiresInHours });
    for (const [given, hours] of [
      [undefined, 168],
      [null, 168],
      [1, 1],
      [720, 720],
    ] as const) {
      const { invitation } = await make(given);
      const left = (Date.parse(invitation.expiresAt) - Date.now()) / 3_600_000;
      expect(left).toBeCloseTo(hours, 1);
    }
    for (const given of [0, -1, 721])
      expect(await make(given)).toMatchObject({
        __typename: 'InvalidInputError',
        message: 'An invitation is good for 1 to 720 hours.',
      });
  });

  test('an invitation into a team’s workspace is an invitation into the team', async () => {
    const teamId = await sharedTeam(cast);
    const workspaceId = await teamWorkspace(cast, teamId);
    expect(await change(cast.owner, 'create-invitation', { workspaceId, role: 'MEMBER' })).toMatchObject({
      __typename: 'ConflictError',
      message:
        'Only people of the team can be in its workspaces. Invite them to the team, then use `addMember`.',
    });
  });

  test('an invitation is one of at most a hundred that are open', async () => {
    const { owner } = cast;
    for (const tenantId of [await newWorkspace(owner), await newTeam(owner)]) {
      const row = () => ({
        ...ownerInput(tenantId),
        role: 'MEMBER' as const,
        tokenHash: crypto.getRandomValues(new Uint8Array(32)),
        createdBy: owner.id,
        expiresAt: new Date(Date.now() + 60_000),
      });
      const stale = { ...row(), expiresAt: new Date(Date.now() - 1) };
      await server.app.db.insert(invitations).values([stale, ...Array.from({ length: 99 }, row)]);
      const input = { ...ownerInput(tenantId), role: 'MEMBER' };
      const { invitation } = await change(owner, 'create-invitation', input);
      expect(await change(owner, 'create-invitation', input)).toMatchObject({
        __typename: 'ConflictError',
        message: 'There are 100 open invitations, which is the most. Revoke one first.',
      });
      await change(owner, 'revoke-invitation', { id: invitation.id });
      expect(await change(owner, 'create-invitation', input)).toHaveProperty('token');
    }
  });

  test('an invitation is tried at most twenty times in ten minutes by one person', async () => {
    const [eve, bob] = [await server.signUp('Eve'), await server.signUp('Bob')];
    const token = await invite(cast.owner, await newWorkspace(cast.owner));
    const tries = await Promise.all(
      Array.from({ length: 21 }, (_, index) => change(eve, 'accept-invitation', { token: `no ${index}` })),
    );
    expect(tries.filter(({ code }) => code === 'NOT_FOUND')).toHaveLength(20);
    // The right one comes too late, which affects no other person.
    const late: PeopleResult & { retryAt?: string } = await change(eve, 'accept-invitation', { token });
    expect(late).toMatchObject({
      __typename: 'BusyError',
      message: 'You have tried too many invitations in the last 10 minutes. Wait a little, then try again.',
    });
    expect(Date.parse(late.retryAt ?? '')).toBeGreaterThan(Date.now());
    expect((await change(bob, 'accept-invitation', { token })).__typename).toBe('AcceptInvitationPayload');
  });
});

describe('signing up with an invitation', () => {
  test('signing up with an invitation is possible where sign-up is by invitation, for as long as the invitation is good', async () => {
    const { owner } = cast;
    const id = await newWorkspace(owner);
    const token = await invite(owner, id);
    await using invited = await startTestServer(
      { LATCHKEY_SIGN_UP: 'invited' },
      { database: await sharedDatabase(), simulator: server.simulator },
    );
    const signUp = async (invitationToken?: unknown) => {
      const email = `bob-${crypto.randomUUID()}@example.com`;
      const response = await fetch(`${invited.url}/api/auth/sign-up/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: invited.url },
        body: JSON.stringify({ name: 'Bob', email, password: 'correct horse battery', invitationToken }),
      });
      return { status: response.status, body: await response.json(), headers: response.headers };
    };
    const closed = {
      code: 'SIGN_UP_CLOSED',
      message:
        'Sign-up on this server needs an invitation that is still good. Ask the person who invited you for another one.',
    };
    for (const wrong of [undefined, null, 7, '', 'made up', [token]])
      expect(await signUp(wrong)).toMatchObject({ status: 403, body: closed });

    const made = await signUp(token);
    expect(made).toMatchObject({ status: 200, body: { user: { name: 'Bob' } } });
    expect(JSON.stringify(made.body)).not.toContain(token);
    // It has opened the door, and still has to be accepted.
    expect(await open(owner, id)).toHaveLength(1);
    const response = await fetch(`${invited.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${made.headers.get('set-auth-token')}`,
      },
      body: JSON.stringify({
        query: `mutation { acceptInvitation(input: { token: "${token}" }) { __typename } }`,
      }),
    });
    expect(await response.json()).toEqual({
      data: { acceptInvitation: { __typename: 'AcceptInvitationPayload' } },
    });
    expect(await rolesIn(owner, id)).toEqual(['Olga OWNER', 'Bob MEMBER']);
    expect(await signUp(token)).toMatchObject({ status: 403, body: closed });
  });

  test('signing up with an invitation is not possible where sign-up is closed', async () => {
    const token = await invite(cast.owner, await newWorkspace(cast.owner));
    await using closed = await startTestServer(
      { LATCHKEY_SIGN_UP: 'closed' },
      { database: await sharedDatabase(), simulator: server.simulator },
    );
    const response = await fetch(`${closed.url}/api/auth/sign-up/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: closed.url },
      body: JSON.stringify({
        name: 'Bob',
        email: `bob-${crypto.randomUUID()}@example.com`,
        password: 'correct horse battery',
        invitationToken: token,
      }),
    });
    expect(response.status).toBe(403);
  });
});

interface ListedInvitation {
  id: string;
  role: string;
  createdAt: string;
  expiresAt: string;
  createdBy: { id: string; name: string };
}

/** The open invitations that this person sees. */
async function open(person: Person, id: string): Promise<ListedInvitation[]> {
  const owner = await person.run<{ invitations: Page<ListedInvitation> }>('invitations', { id });
  return nodesOf(owner.invitations);
}
