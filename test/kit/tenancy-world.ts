import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { newId } from '../../src/db/id.ts';
import { apiKeys } from '../../src/db/tables/api-key.ts';
import { attachments, messageAttachments } from '../../src/db/tables/attachment.ts';
import { invitations } from '../../src/db/tables/invitation.ts';
import { models } from '../../src/db/tables/model.ts';
import { teamMemberships, teams } from '../../src/db/tables/team.ts';
import { messages, threads } from '../../src/db/tables/thread.ts';
import { users } from '../../src/db/tables/user.ts';
import { memberships, workspaces } from '../../src/db/tables/workspace.ts';
import type { Role } from '../../src/plans-and-roles.ts';
import { newInvitationToken } from '../../src/workspaces/invitation.ts';
import { mayDo } from '../../src/workspaces/permissions.ts';
import { tenantColumns } from '../../src/workspaces/tenant.ts';
import { change, letIn, newTeam, newWorkspace, ownerInput } from './people.ts';
import type { AddedKey, Person } from './person.ts';
import type { TestServer } from './server.ts';

/** Who tries everything. */
export const ACTORS = [
  'anonymous',
  'stranger',
  'removed',
  'viewer',
  'member',
  'admin',
  'owner',
  'neighbour',
] as const;

export type ActorName = (typeof ACTORS)[number];

/**
 * Where things are: a personal workspace, a shared one, a team with two workspaces, and a team of the stranger's
 * with one.
 */
export const PLACES = ['personal', 'shared', 'team', 'room', 'sideRoom', 'rivals', 'rivalRoom'] as const;

export type PlaceName = (typeof PLACES)[number];

/** The role of each person in each place; the others have none there. The neighbour is in another workspace of the team. */
export const ROLES_IN: Readonly<Record<PlaceName, Readonly<Partial<Record<ActorName, Role>>>>> = {
  personal: { owner: 'OWNER' },
  shared: { owner: 'OWNER', admin: 'ADMIN', member: 'MEMBER', viewer: 'VIEWER' },
  team: { owner: 'OWNER', admin: 'ADMIN', member: 'MEMBER', viewer: 'MEMBER', neighbour: 'MEMBER' },
  room: { owner: 'OWNER', admin: 'ADMIN', member: 'MEMBER', viewer: 'VIEWER' },
  sideRoom: { owner: 'OWNER', admin: 'ADMIN', neighbour: 'MEMBER' },
  rivals: { stranger: 'OWNER' },
  rivalRoom: { stranger: 'OWNER' },
};

export const TEAM_PLACES: readonly PlaceName[] = ['team', 'rivals'];
export const WORKSPACE_PLACES = PLACES.filter((place) => !TEAM_PLACES.includes(place));
/** The other room has none of its own: what it asks is paid by its team. */
export const KEY_PLACES = PLACES.filter((place) => place !== 'sideRoom');
/** Where people come in by invitation. */
export const INVITING_PLACES = ['shared', 'team', 'rivals'] as const satisfies readonly PlaceName[];

/** The contents of the world before the first try. */
export interface World {
  server: TestServer;
  people: Readonly<Record<SignedIn, Person>>;
  /** A user who is MEMBER wherever people can be, and one who is in the two teams only. Neither signs in. */
  subjectId: string;
  idleId: string;
  places: Readonly<Record<PlaceName, string>>;
  keys: Readonly<Partial<Record<PlaceName, string>>>;
  models: Readonly<Partial<Record<PlaceName, string>>>;
  /** Variants in the shared workspace: the member's own, and one for everybody. */
  variants: Readonly<Record<'own' | 'everybody', string>>;
  threads: readonly PlacedThread[];
  /** Files that were uploaded and not sent. */
  uploads: readonly PlacedUpload[];
  invitations: Readonly<Partial<Record<PlaceName, MadeInvitation>>>;
  /** Those that have run out. */
  expired: Readonly<Partial<Record<PlaceName, MadeInvitation>>>;
}

export type SignedIn = Exclude<ActorName, 'anonymous'>;

/** A file that no message refers to. */
export interface PlacedUpload {
  place: PlaceName;
  creator: SignedIn;
  attachmentId: string;
}

/** A thread with a question, of which a file is a part, and an answer. */
export interface PlacedThread {
  place: PlaceName;
  creator: SignedIn;
  visibility: 'PRIVATE' | 'WORKSPACE';
  threadId: string;
  questionId: string;
  attachmentId: string;
  answerId: string;
}

export interface MadeInvitation {
  id: string;
  token: string;
}

/** The role of a person in one of the places; null for one who is not in it. */
export function roleOf(actor: ActorName, place: PlaceName): Role | null {
  return ROLES_IN[place][actor] ?? null;
}

/** Whether a person's role in a place allows this. */
export function mayIn(actor: ActorName, place: PlaceName, action: Parameters<typeof mayDo>[1]): boolean {
  const role = roleOf(actor, place);
  return role !== null && mayDo(role, action);
}

/** Who owns a place. */
export function hostOf(place: PlaceName): 'owner' | 'stranger' {
  return ROLES_IN[place].owner === undefined ? 'stranger' : 'owner';
}

/** Builds the world as people would: they sign up, invite each other, and add keys. */
export async function buildWorld(server: TestServer): Promise<World> {
  const names = ACTORS.filter((name) => name !== 'anonymous');
  const signedUp = await Promise.all(names.map(async (name) => [name, await server.signUp(name)] as const));
  const people = Object.fromEntries(signedUp) as World['people'];
  const { owner, stranger, removed, neighbour } = people;
  const [subjectId, idleId] = [await addUser(server, 'subject'), await addUser(server, 'idle')];

  const team = await newTeam(owner);
  const rivals = await newTeam(stranger);
  const places = {
    personal: owner.workspaceId,
    shared: await newWorkspace(owner),
    team,
    room: await newWorkspace(owner, team),
    sideRoom: await newWorkspace(owner, team),
    rivals,
    rivalRoom: await newWorkspace(stranger, rivals),
  };
  for (const name of ['admin', 'member', 'viewer'] as const) {
    const role = roleOf(name, 'shared') ?? 'VIEWER';
    await letIn(owner, places.shared, people[name], role);
    await letIn(owner, team, people[name], roleOf(name, 'team') ?? 'MEMBER');
    if (name !== 'admin') await addTo(owner, places.room, people[name].id, role);
  }
  await letIn(owner, team, neighbour, 'MEMBER');
  await addTo(owner, places.sideRoom, neighbour.id, 'MEMBER');
  for (const id of [places.shared, team]) await letIn(owner, id, removed, 'MEMBER');
  await addTo(owner, places.room, removed.id, 'MEMBER');
  for (const id of [team, rivals])
    await server.app.db
      .insert(teamMemberships)
      .values([subjectId, idleId].map((userId) => ({ teamId: id, userId, role: 'MEMBER' as const })));
  for (const name of WORKSPACE_PLACES.filter((place) => place !== 'personal' && place !== 'sideRoom'))
    await server.app.db
      .insert(memberships)
      .values({ workspaceId: places[name], userId: subjectId, role: 'MEMBER' });

  const variants = { own: '', everybody: '' };
  const nothing = { keys: {}, models: {}, variants, threads: [], uploads: [], invitations: {}, expired: {} };
  const empty: World = { server, people, subjectId, idleId, places, ...nothing };
  const keyed = { ...empty, ...(await addKeys(empty)) };
  const own = await addVariant(keyed, people.member.id);
  const withKeys = { ...keyed, variants: { own, everybody: await addVariant(keyed, null) } };
  const threads: PlacedThread[] = [];
  for (const place of WORKSPACE_PLACES)
    for (const [creator, visibility] of threadsIn(place))
      threads.push(await addThread(withKeys, place, creator, visibility));
  const uploads = [
    await addUpload(withKeys, 'shared', 'member'),
    await addUpload(withKeys, 'shared', 'removed'),
    await addUpload(withKeys, 'rivalRoom', 'stranger'),
  ];
  for (const id of [places.shared, team])
    await change(owner, 'remove-member', { ...ownerInput(id), userId: removed.id });
  // Had their membership of the room outlived that of the team, they would still have no role there.
  await server.app.db
    .insert(memberships)
    .values({ workspaceId: places.room, userId: removed.id, role: 'MEMBER' });
  const invitations: Partial<Record<PlaceName, MadeInvitation>> = {};
  const expired: Partial<Record<PlaceName, MadeInvitation>> = {};
  for (const place of INVITING_PLACES) {
    invitations[place] = await addInvitation(withKeys, places[place], place);
    expired[place] = await addInvitation(withKeys, places[place], place, -1);
  }
  return { ...withKeys, threads, uploads, invitations, expired };
}

async function addUser({ app }: TestServer, name: string): Promise<string> {
  const id = newId('usr');
  await app.db.insert(users).values({ id, name, email: `${id}@example.com` });
  return id;
}

async function addTo(manager: Person, workspaceId: string, userId: string, role: Role): Promise<void> {
  await change(manager, 'add-member', { workspaceId, userId, role });
}

async function addKeys({ places, people }: World): Promise<Pick<World, 'keys' | 'models'>> {
  const keys: Partial<Record<PlaceName, string>> = {};
  const models: Partial<Record<PlaceName, string>> = {};
  for (const place of KEY_PLACES) {
    const secret = `sk-sim-${newId('key')}`;
    // A workspace lists a model that its team has as well only once.
    const provider = TEAM_PLACES.includes(place) ? 'MISTRAL' : 'OPENAI';
    const added = await people[hostOf(place)].run<AddedKey>('add-api-key', {
      input: { ...ownerInput(places[place]), provider, secret },
    });
    keys[place] = added.apiKey.id;
    // The first models of OpenAI reason, and show that before the word that a test releases.
    models[place] = (added.models.find(({ name }) => name === 'gpt-4.1-nano') ?? added.models[0])?.id ?? '';
  }
  return { keys, models };
}

/** Adds a variant to the shared workspace: a person's own, or for everybody. */
export async function addVariant(
  { server, places, models: known }: World,
  userId: string | null,
): Promise<string> {
  const id = newId('mdl');
  const [base] = await server.app.db
    .select()
    .from(models)
    .where(eq(models.id, known.shared ?? ''));
  if (base === undefined) throw new Error('there is no model in the shared workspace');
  const { provider, baseUrl, name, capabilities } = base;
  await server.app.db.insert(models).values({
    ...{ id, provider, baseUrl, name, capabilities, userId },
    ...{ workspaceId: places.shared, title: `variant ${id}`, baseModelId: base.id },
  });
  return id;
}

/** One shared and one private; in the shared workspace also those that the removed member has left there. */
function threadsIn(place: PlaceName): [SignedIn, 'PRIVATE' | 'WORKSPACE'][] {
  const host = hostOf(place);
  const alone = roleOf('member', place) === null ? host : 'member';
  const usual: [SignedIn, 'PRIVATE' | 'WORKSPACE'][] = [
    [host, 'WORKSPACE'],
    [alone, 'PRIVATE'],
  ];
  return place === 'shared' ? [...usual, ['removed', 'WORKSPACE'], ['removed', 'PRIVATE']] : usual;
}

/** Adds a thread of this person's to a place. */
export async function addThread(
  { server, places, people, keys, models: known }: World,
  place: PlaceName,
  creator: SignedIn,
  visibility: 'PRIVATE' | 'WORKSPACE',
): Promise<PlacedThread> {
  const ids = {
    threadId: newId('thr'),
    questionId: newId('msg'),
    attachmentId: newId('att'),
    answerId: newId('msg'),
  };
  const made = { place, creator, visibility, ...ids };
  const authorId = people[creator].id;
  const { threadId } = made;
  const payer = place === 'sideRoom' ? 'team' : place;
  await server.app.db.insert(threads).values({
    id: threadId,
    workspaceId: places[place],
    title: `${visibility} of ${creator} in ${place}`,
    visibility,
    createdBy: authorId,
    lastPosition: 2,
  });
  const message = { threadId, status: 'COMPLETE' as const, text: `in ${place}`, authorId };
  await server.app.db.insert(messages).values([
    { ...message, id: made.questionId, position: 1, role: 'USER' },
    {
      ...message,
      id: made.answerId,
      position: 2,
      parentId: made.questionId,
      role: 'ASSISTANT',
      modelId: known[payer] ?? null,
      modelName: 'a model',
      provider: 'OPENAI',
      apiKeyId: keys[payer] ?? null,
      paidBy: payer === 'team' ? 'TEAM' : 'WORKSPACE',
      attempts: [{ apiKeyId: keys[payer] ?? '', startedAt: '2026-11-28T12:00:00.000Z', errorCode: null }],
      attachmentUses: [{ attachmentId: made.attachmentId, use: 'LEFT_OUT', note: 'It has no text.' }],
      isUsageEstimated: false,
    },
  ]);
  await addFile(server, {
    id: made.attachmentId,
    workspaceId: places[place],
    createdBy: authorId,
    isSent: true,
  });
  await server.app.db
    .insert(messageAttachments)
    .values({ messageId: made.questionId, attachmentId: made.attachmentId, position: 1 });
  return made;
}

/** Adds a file that no message refers to. */
export async function addUpload(
  { server, people, places }: World,
  place: PlaceName,
  creator: SignedIn,
): Promise<PlacedUpload> {
  const attachmentId = newId('att');
  const createdBy = people[creator].id;
  await addFile(server, { id: attachmentId, workspaceId: places[place], createdBy, isSent: false });
  return { place, creator, attachmentId };
}

/** A row as that of a file that can be sent. There are no bytes behind it. */
async function addFile(
  { app }: TestServer,
  row: { id: string; workspaceId: string; createdBy: string; isSent: boolean },
): Promise<void> {
  const place = { rootId: app.rootKeys[0].id, generation: 1, version: 1 };
  const key = { ...place, ciphertext: randomBytes(32), tag: randomBytes(32) };
  const facts = { fileName: 'notes.txt', sizeBytes: 1, kind: 'TEXT', mediaType: 'text/plain' } as const;
  await app.db.insert(attachments).values({ ...row, ...key, ...facts, status: 'READY' });
}

/** Adds an invitation by the owner of a place. */
export async function addInvitation(
  { server, people }: World,
  tenantId: string,
  place: PlaceName,
  hours = 1,
): Promise<MadeInvitation> {
  const { token, tokenHash } = newInvitationToken();
  const id = newId('inv');
  await server.app.db.insert(invitations).values({
    id,
    ...tenantColumns(tenantId),
    role: 'MEMBER',
    tokenHash,
    createdBy: people[hostOf(place)].id,
    expiresAt: new Date(Date.now() + hours * 3_600_000),
  });
  return { id, token };
}

/** Adds a key that opens nothing, for those who take it away. */
export async function addJunkKey({ server }: World, tenantId: string): Promise<string> {
  const id = newId('key');
  const baseUrl = 'https://junk.example.com/v1';
  await server.app.db.insert(apiKeys).values({
    id,
    ...tenantColumns(tenantId),
    provider: 'OPENAI',
    position: 9,
    baseUrl,
    label: 'junk',
    rootId: server.app.rootKeys[0].id,
    generation: 1,
    version: 1,
    ciphertext: randomBytes(32),
    tag: randomBytes(32),
    health: 'ACTIVE',
  });
  return id;
}

/** Another place just like this one, for a person who changes it. A personal one there can be only one of. */
export async function copyPlace(world: World, place: PlaceName): Promise<string> {
  if (place === 'personal') return world.places.personal;
  const { server, people, subjectId, idleId, places } = world;
  const hostId = people[hostOf(place)].id;
  const letInto = ACTORS.flatMap((actor) => {
    const role = roleOf(actor, place);
    return actor === 'anonymous' || role === null || role === 'OWNER'
      ? []
      : [{ userId: people[actor].id, role }];
  });
  const isTeam = TEAM_PLACES.includes(place);
  if (isTeam) {
    const id = newId('tem');
    await server.app.db.insert(teams).values({ id, name: 'Copy', ownerUserId: hostId });
    const rows = [...letInto, ...[subjectId, idleId].map((userId) => ({ userId, role: 'MEMBER' as const }))];
    await server.app.db.insert(teamMemberships).values(
      rows.map(({ userId, role }) => {
        return { teamId: id, userId, role: role === 'ADMIN' ? role : ('MEMBER' as const) };
      }),
    );
    return id;
  }
  const id = newId('wsp');
  const teamId = { shared: null, room: places.team, sideRoom: places.team, rivalRoom: places.rivals }[
    place as 'shared' | 'room' | 'sideRoom' | 'rivalRoom'
  ];
  const payer = teamId === null ? { ownerUserId: hostId } : { teamId };
  await server.app.db.insert(workspaces).values({ id, kind: 'SHARED', name: 'Copy', ...payer });
  const rows = letInto.filter(({ role }) => teamId === null || role !== 'ADMIN');
  if (place !== 'sideRoom') rows.push({ userId: subjectId, role: 'MEMBER' });
  await server.app.db.insert(memberships).values(rows.map((row) => ({ workspaceId: id, ...row })));
  return id;
}

/** Takes a copy away again, if it is still there. */
export async function removeCopy({ server, places }: World, id: string): Promise<void> {
  if (Object.values(places).includes(id)) return;
  await server.app.db.delete(threads).where(eq(threads.workspaceId, id));
  await server.app.db.delete(workspaces).where(eq(workspaces.id, id));
  await server.app.db.delete(workspaces).where(eq(workspaces.teamId, id));
  await server.app.db.delete(teams).where(eq(teams.id, id));
}
