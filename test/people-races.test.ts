import { setImmediate as turn } from 'node:timers/promises';
import { and, eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyAudit } from '../src/audit/verify-audit.ts';
import type { OpenDatabase } from '../src/db/database.ts';
import { teamMembers, teamMemberships, teams } from '../src/db/tables/team.ts';
import { memberships, workspaceMembers, workspaces } from '../src/db/tables/workspace.ts';
import { freshDatabase } from './kit/database.ts';
import { auditOf, change, invite, ownerInput, type PeopleResult } from './kit/people.ts';
import type { Person } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** How many times people meet; a thousand takes a minute or two. */
const RACES = Number(process.env.LATCHKEY_TEST_RACES ?? 60);

let database: OpenDatabase;
let server: TestServer;
let owner: Person;
let ann: Person;
let ben: Person;
let cem: Person;
/** More people, since tries of invitations are limited per person. */
let guests: Person[];
let guestsAsked = 0;
const outcomes = new Map<string, Map<string, number>>();

beforeAll(async () => {
  database = await freshDatabase();
  server = await startTestServer({}, { database });
  [owner, ann, ben, cem] = [
    await server.signUp('Olga'),
    await server.signUp('Ann'),
    await server.signUp('Ben'),
    await server.signUp('Cem'),
  ];
  guests = [];
  for (let count = 0; count < 4 + RACES / 10; count++) guests.push(await server.signUp('Guest'));
});

afterAll(() => server?.close());

/** A workspace or team of the owner, made for one race, in which Ann and Ben are ADMINs and Cem is a MEMBER. */
interface Place {
  type: 'workspace' | 'team';
  id: string;
}

/** What happens at once, and what came of it in a word. It throws for an outcome that may not be. */
interface Race {
  acts: (() => Promise<PeopleResult>)[];
  /** Which of them are recorded on another log than the place's. */
  elsewhere?: readonly number[];
  verify(results: PeopleResult[]): Promise<string> | string;
}

/** Each meets a place that was made for it. */
const MEETINGS: Record<string, (place: Place) => Promise<Race>> = {
  async 'two admins remove each other'(place) {
    return {
      acts: [
        () => change(ann, 'remove-member', { ...ownerInput(place.id), userId: ben.id }),
        () => change(ben, 'remove-member', { ...ownerInput(place.id), userId: ann.id }),
      ],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND']);
        expect(await rolesOf(place)).toEqual({
          OWNER: [owner.id],
          ADMIN: [[ann, ben][winner]?.id],
          MEMBER: [cem.id],
        });
        return `${['Ann', 'Ben'][winner]} stays`;
      },
    };
  },

  async 'two admins lower each other'(place) {
    const lower = (by: Person, { id: userId }: Person) =>
      change(by, 'update-member', { ...ownerInput(place.id), userId, role: 'MEMBER' });
    return {
      acts: [() => lower(ann, ben), () => lower(ben, ann)],
      verify: (results) => `${['Ann', 'Ben'][onlyWinner(results, ['NOT_PERMITTED'])]} stays ADMIN`,
    };
  },

  async 'two accept one invitation'(place) {
    const token = await invite(owner, place.id);
    const [first, second] = [guest(), guest()];
    return {
      acts: [first, second].map((person) => () => change(person, 'accept-invitation', { token })),
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND']);
        const { MEMBER = [] } = await rolesOf(place);
        expect(MEMBER.toSorted()).toEqual([cem.id, [first, second][winner]?.id].toSorted());
        return `${['first', 'second'][winner]} is in`;
      },
    };
  },

  async 'an invitation is accepted while its maker is lowered'(place) {
    const token = await invite(ann, place.id);
    const person = guest();
    return {
      acts: [
        () => change(person, 'accept-invitation', { token }),
        () => change(owner, 'update-member', { ...ownerInput(place.id), userId: ann.id, role: 'MEMBER' }),
      ],
      async verify([accepted, lowered]) {
        expect(lowered?.code).toBeUndefined();
        const isIn = (await rolesOf(place)).MEMBER?.includes(person.id);
        expect(isIn).toBe(accepted?.code === undefined);
        // A person who is in came before.
        const added = isIn ? ['MEMBER_ADDED MEMBER'] : [];
        expect((await auditOf(server, place.id)).slice(1)).toEqual([...added, 'MEMBER_CHANGED ADMIN MEMBER']);
        return isIn ? 'accepted before' : 'void by then';
      },
    };
  },

  async 'an invitation is accepted while it is revoked'(place) {
    const { invitation, token } = await change(ann, 'create-invitation', {
      ...ownerInput(place.id),
      role: 'MEMBER',
    });
    const person = guest();
    return {
      acts: [
        () => change(person, 'accept-invitation', { token }),
        () => change(ben, 'revoke-invitation', { id: invitation.id }),
      ],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND']);
        expect((await rolesOf(place)).MEMBER?.includes(person.id)).toBe(winner === 0);
        return ['accepted', 'revoked'][winner] ?? '';
      },
    };
  },

  async 'the owner hands over to two at once'(place) {
    const give = (userId: string) => change(owner, `transfer-${place.type}`, { id: place.id, userId });
    return {
      acts: [() => give(ann.id), () => give(cem.id)],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_PERMITTED']);
        expect((await rolesOf(place)).OWNER).toEqual([[ann, cem][winner]?.id]);
        return `to ${['Ann', 'Cem'][winner]}`;
      },
    };
  },

  async 'somebody leaves while being made owner'(place) {
    return {
      acts: [
        () => change(owner, `transfer-${place.type}`, { id: place.id, userId: cem.id }),
        () => change(cem, `leave-${place.type}`, { id: place.id }),
      ],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND', 'CONFLICT']);
        expect((await rolesOf(place)).OWNER).toEqual([winner === 0 ? cem.id : owner.id]);
        return ['made owner', 'left'][winner] ?? '';
      },
    };
  },

  async 'the owner leaves one while being made owner of another'(place) {
    const other = await makePlace(place.type, cem);
    return {
      acts: [
        () => change(cem, `leave-${place.type}`, { id: other.id }),
        () => change(cem, `transfer-${place.type}`, { id: other.id, userId: ann.id }),
        () => change(owner, `transfer-${place.type}`, { id: place.id, userId: cem.id }),
      ],
      elsewhere: [0, 1],
      async verify([left, handedOver, made]) {
        expect(handedOver?.code).toBeUndefined();
        expect(made?.code).toBeUndefined();
        expect((await rolesOf(place)).OWNER).toEqual([cem.id]);
        const { OWNER, ADMIN = [] } = await rolesOf(other);
        expect(OWNER).toEqual([ann.id]);
        expect(left?.code).toBe(ADMIN.includes(cem.id) ? 'CONFLICT' : undefined);
        await removePlace(other);
        return left?.code === undefined ? 'left' : 'could not leave yet';
      },
    };
  },

  async 'a member is removed while the role is changed'(place) {
    const input = { ...ownerInput(place.id), userId: cem.id };
    return {
      acts: [
        () => change(ann, 'remove-member', input),
        () => change(owner, 'update-member', { ...input, role: 'ADMIN' }),
      ],
      async verify([removed, changed]) {
        expect(removed?.code).toBeUndefined();
        expect(['NOT_FOUND', undefined]).toContain(changed?.code);
        expect(Object.values(await rolesOf(place)).flat()).not.toContain(cem.id);
        return changed?.code === undefined ? 'changed, then removed' : 'removed first';
      },
    };
  },

  async 'a member is removed while handed over to'(place) {
    return {
      acts: [
        () => change(ann, 'remove-member', { ...ownerInput(place.id), userId: ben.id }),
        () => change(owner, `transfer-${place.type}`, { id: place.id, userId: ben.id }),
      ],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND', 'CONFLICT']);
        expect((await rolesOf(place)).OWNER).toEqual([winner === 0 ? owner.id : ben.id]);
        return ['removed', 'owner'][winner] ?? '';
      },
    };
  },

  async 'somebody leaves the team while being let into its workspace'(place) {
    const workspace = await insertWorkspace({ teamId: place.id });
    return {
      acts: [
        () => change(cem, 'leave-team', { id: place.id }),
        () => change(ann, 'add-member', { workspaceId: workspace.id, userId: cem.id, role: 'MEMBER' }),
      ],
      elsewhere: [1],
      async verify([left, added]) {
        expect(left?.code).toBeUndefined();
        expect(['NOT_FOUND', undefined]).toContain(added?.code);
        const rows = and(eq(memberships.workspaceId, workspace.id), eq(memberships.userId, cem.id));
        expect(await database.db.$count(memberships, rows)).toBe(0);
        await removePlace(workspace);
        return added?.code === undefined ? 'let in, then left' : 'left first';
      },
    };
  },

  async 'a team is deleted while it gets a workspace'(place) {
    return {
      acts: [
        () => change(owner, 'delete-team', { id: place.id }),
        () => change(ann, 'create-workspace', { name: 'Lab', teamId: place.id }),
      ],
      async verify(results) {
        const winner = onlyWinner(results, ['NOT_FOUND', 'CONFLICT']);
        const workspaceId = results[1]?.workspace?.id;
        if (workspaceId !== undefined) await removePlace({ type: 'workspace', id: workspaceId });
        return ['deleted', 'got it'][winner] ?? '';
      },
    };
  },

  async 'it is deleted while somebody comes in and somebody leaves'(place) {
    const token = await invite(ann, place.id);
    const person = guest();
    return {
      acts: [
        () => change(owner, `delete-${place.type}`, { id: place.id }),
        () => change(person, 'accept-invitation', { token }),
        () => change(cem, `leave-${place.type}`, { id: place.id }),
      ],
      async verify([deleted, accepted, left]) {
        expect(deleted?.code).toBeUndefined();
        for (const result of [accepted, left]) expect(['NOT_FOUND', undefined]).toContain(result?.code);
        expect(await rolesOf(place)).toEqual({});
        return [accepted, left]
          .map((result) => (result?.code === undefined ? 'before' : 'after'))
          .join(' and ');
      },
    };
  },
};

test(
  `of people who change members at once one is first, whatever the order: ${RACES} times`,
  async () => {
    const names = Object.keys(MEETINGS);
    let run = 0;
    const property = fc.asyncProperty(
      fc.constantFrom('workspace' as const, 'team' as const),
      // How many turns of the event loop each waits before it begins.
      fc.array(fc.nat(40), { minLength: 3, maxLength: 3 }),
      async (type, delays) => {
        await meet(names[run++ % names.length] ?? '', type, delays);
      },
    );
    await fc.assert(property, { numRuns: RACES, endOnFailure: true });
    report(`${run} interleavings on ${server.app.engine}, ${await verifyLogs()}`);
  },
  30_000 + RACES * 1_000,
);

async function meet(name: string, type: Place['type'], delays: readonly number[]): Promise<void> {
  const place = await makePlace(/\bteam\b/.test(name) ? 'team' : type, owner);
  const race = (await MEETINGS[name]?.(place)) ?? expect.unreachable();
  const before = await auditOf(server, place.id);
  const results = await Promise.all(race.acts.map((act, index) => after(delays[index] ?? 0, act)));
  const outcome = await race.verify(results);

  const { OWNER, ...others } = await rolesOf(place);
  const everybody = [...(OWNER ?? []), ...Object.values(others).flat()];
  if (everybody.length > 0) expect(OWNER).toHaveLength(1);
  expect(await rowsOf(place), 'nobody is let in and not there').toBe(Math.max(0, everybody.length - 1));
  expect(new Set(everybody).size, 'nobody is two things').toBe(everybody.length);
  const done = results.filter(({ code }, index) => code === undefined && !race.elsewhere?.includes(index));
  expect((await auditOf(server, place.id)).length, 'each deed is recorded once').toBe(
    before.length + done.length,
  );

  const counted = outcomes.get(name) ?? new Map<string, number>();
  outcomes.set(name, counted.set(outcome, (counted.get(outcome) ?? 0) + 1));
  await removePlace(place);
}

async function after(turns: number, act: () => Promise<PeopleResult>): Promise<PeopleResult> {
  for (let left = turns; left > 0; left--) await turn();
  return await act();
}

/** The place of the only one who got what they wanted; all others are refused with one of these codes. */
function onlyWinner(results: readonly PeopleResult[], codes: readonly string[]): number {
  const refused = results.filter(({ code }) => code !== undefined);
  expect(refused).toHaveLength(results.length - 1);
  for (const { code } of refused) expect(codes).toContain(code);
  return results.findIndex(({ code }) => code === undefined);
}

function guest(): Person {
  return guests[guestsAsked++ % guests.length] ?? expect.unreachable();
}

async function makePlace(type: Place['type'], { id: ownerUserId }: Person): Promise<Place> {
  const place = type === 'team' ? await insertTeam(ownerUserId) : await insertWorkspace({ ownerUserId });
  const rows = [
    { userId: ann.id, role: 'ADMIN' as const },
    { userId: ben.id, role: 'ADMIN' as const },
    { userId: cem.id, role: 'MEMBER' as const },
  ].filter(({ userId }) => userId !== ownerUserId);
  const { db } = database;
  if (type === 'team')
    await db.insert(teamMemberships).values(rows.map((row) => ({ teamId: place.id, ...row })));
  else await db.insert(memberships).values(rows.map((row) => ({ workspaceId: place.id, ...row })));
  return place;
}

async function insertTeam(ownerUserId: string): Promise<Place> {
  const [row] = await database.db.insert(teams).values({ name: 'Labs', ownerUserId }).returning();
  return { type: 'team', id: row?.id ?? expect.unreachable() };
}

async function insertWorkspace(payer: { ownerUserId: string } | { teamId: string }): Promise<Place> {
  const [row] = await database.db
    .insert(workspaces)
    .values({ kind: 'SHARED', name: 'Lab', ...payer })
    .returning();
  return { type: 'workspace', id: row?.id ?? expect.unreachable() };
}

/** A person may own a limited number. */
async function removePlace({ type, id }: Place): Promise<void> {
  const { db } = database;
  if (type === 'team') await db.delete(teams).where(eq(teams.id, id));
  else await db.delete(workspaces).where(eq(workspaces.id, id));
}

/** The ids of all members of a place by role, from the views that every rule reads. */
async function rolesOf({ type, id }: Place): Promise<Record<string, string[]>> {
  const { db } = database;
  const rows =
    type === 'team'
      ? await db.select().from(teamMembers).where(eq(teamMembers.teamId, id))
      : await db.select().from(workspaceMembers).where(eq(workspaceMembers.workspaceId, id));
  const roles: Record<string, string[]> = {};
  for (const { role, userId } of rows) roles[role] = [...(roles[role] ?? []), userId];
  return roles;
}

/** How many people were let in, whether or not the views show them. */
async function rowsOf({ type, id }: Place): Promise<number> {
  const { db } = database;
  return type === 'team'
    ? await db.$count(teamMemberships, eq(teamMemberships.teamId, id))
    : await db.$count(memberships, eq(memberships.workspaceId, id));
}

async function verifyLogs(): Promise<string> {
  let logs = 0;
  let entries = 0;
  for await (const log of verifyAudit(server.app, { heads: [] })) {
    expect(log).toMatchObject({ faults: [] });
    logs += 1;
    entries += log.entries;
  }
  return `${logs} audit logs with ${entries} entries intact`;
}

function report(sentence: string): void {
  say(`races: ${sentence}`);
  for (const [name, counted] of outcomes)
    say(`  ${name}: ${[...counted].map(([outcome, times]) => `${times} ${outcome}`).join(', ')}`);
}
