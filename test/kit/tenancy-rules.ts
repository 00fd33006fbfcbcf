import { auditEntryIdOf, memberIdOf, newId, prefixOf, viewerIdOf } from '../../src/db/id.ts';
import { newInvitationToken } from '../../src/workspaces/invitation.ts';
import { ACTIONS, type Action, mayDo } from '../../src/workspaces/permissions.ts';
import {
  type ActorName,
  addInvitation,
  addJunkKey,
  addThread,
  addUpload,
  addVariant,
  copyPlace,
  hostOf,
  INVITING_PLACES,
  KEY_PLACES,
  mayIn,
  PLACES,
  type PlacedThread,
  type PlaceName,
  roleOf,
  TEAM_PLACES,
  WORKSPACE_PLACES,
  type World,
} from './tenancy-world.ts';

/**
 * What an argument that takes an id leads to, tried with ids of every place. What is expected of a person who is signed in
 * follows from their role there and the table of actions: `ok`, `NOT_FOUND`, `NOT_PERMITTED` with the role it takes, or the
 * error that every person with the role gets.
 */
export interface Rule {
  /** The argument, as `inputPlaces` names it. */
  path: string;
  cases: readonly Case[];
}

export interface Case {
  title: string;
  expect(actor: ActorName): string;
  /** The variables of the operation. */
  variables(scene: Scene): Promise<object> | object;
}

/** One person about to try. */
export interface Scene {
  world: World;
  actor: ActorName;
  /** A copy of a place for a person who may change it; the place itself for every other person. */
  copyOf(place: PlaceName): Promise<string>;
  /** Whether it is expected to happen, so that it must not happen to what others still need. */
  isAllowed: boolean;
}

/** A rule for every argument of the schema that takes an id, and for the token of an invitation, which leads to one. */
export function rulesOf(world: World): Rule[] {
  const { places, keys, models, people, subjectId, idleId } = world;
  const foreignUser = people.stranger.id;

  return [
    { path: 'node.id', cases: objectCases(world).map(asVariables('id')) },
    { path: 'nodes.ids', cases: objectCases(world).map(asVariables('ids')) },
    { path: 'workspace.id', cases: ofPlaces(WORKSPACE_PLACES, 'read', (id) => ({ id })) },
    { path: 'team.id', cases: ofPlaces(TEAM_PLACES, 'read', (id) => ({ id })) },
    { path: 'thread.id', cases: ofThreads(world, 'read', ({ threadId }) => ({ id: threadId })) },

    ...ofOwner('addApiKey', 'manageKeys', 'ok', PLACES, () => ({
      provider: 'OPENAI',
      secret: `sk-sim-${newId('key')}`,
    })),
    {
      path: 'addApiKey.input.sealed.keyId',
      cases: inputs(
        ofPlaces(['shared', 'room'], 'manageKeys', sealedFor(world, places.rivalRoom), 'STALE_SEALING_KEY'),
      ),
    },
    ...ofKeys('checkApiKey', 'id', {}),
    ...ofKeys('updateApiKey', 'id', { label: 'another label' }),
    ...ofKeys('replaceApiKeySecret', 'id', { secret: 'sk-sim-another-secret-of-this-key' }),
    {
      path: 'replaceApiKeySecret.input.sealed.keyId',
      cases: inputs(
        ofPlaces(
          ['shared', 'team'],
          'manageKeys',
          (_id, _scene, place) => ({ id: keys[place], sealed: sealed(world, places.rivals) }),
          'STALE_SEALING_KEY',
        ),
      ),
    },
    {
      path: 'removeApiKey.input.id',
      cases: inputs(
        ofPlaces(KEY_PLACES, 'manageKeys', async (id, { isAllowed }, place) => ({
          id: isAllowed ? await addJunkKey(world, id) : keys[place],
        })),
      ),
    },

    {
      path: 'addModel.input.apiKeyId',
      cases: inputs(
        ofPlaces(KEY_PLACES, 'manageKeys', (_id, _scene, place) => ({
          apiKeyId: keys[place],
          name: TEAM_PLACES.includes(place) ? 'mistral-small-latest' : 'gpt-5.1',
        })),
      ),
    },
    ...ofVariants(world),
    {
      path: 'setModelPreference.input.workspaceId',
      cases: inputs(
        ofPlaces(WORKSPACE_PLACES, 'read', (workspaceId, _scene, place) => ({
          workspaceId,
          modelId: models[place] ?? models.team,
          isFavorite: true,
        })),
      ),
    },
    {
      path: 'setModelPreference.input.modelId',
      cases: inputs(
        ofPlaces(
          ['shared'],
          'read',
          (workspaceId) => ({ workspaceId, modelId: models.rivalRoom, isFavorite: true }),
          'NOT_FOUND',
        ),
      ),
    },

    { path: 'createThread.input.workspaceId', cases: inputs(ofPlaces(WORKSPACE_PLACES, 'chat', named)) },
    {
      path: 'updateThread.input.id',
      cases: inputs(ofThreads(world, 'chat', ({ threadId }) => ({ id: threadId, title: 'Another title' }))),
    },
    { path: 'deleteThread.input.id', cases: inputs(deletedThreads(world)) },
    {
      path: 'sendMessage.input.threadId',
      cases: inputs(ofThreads(world, 'chat', (thread) => message(thread, models))),
    },
    {
      path: 'sendMessage.input.parentId',
      cases: inputs(
        elsewhere(world, ({ answerId: parentId }) => (here) => ({ ...message(here, models), parentId })),
      ),
    },
    {
      path: 'sendMessage.input.modelIds',
      cases: inputs(
        elsewhere(world, ({ place }) => (here) => ({ ...message(here, models), modelIds: [models[place]] })),
      ),
    },
    {
      path: 'sendMessage.input.answers.modelId',
      cases: inputs(
        // One object is a list of one.
        elsewhere(world, ({ place }) => ({ threadId }) => {
          return { threadId, text: 'Hello', answers: { modelId: models[place] } };
        }),
      ),
    },
    ...ofFiles(world),
    {
      path: 'regenerateAnswer.input.answerId',
      cases: inputs(ofThreads(world, 'chat', ({ answerId }) => ({ answerId }))),
    },
    {
      path: 'regenerateAnswer.input.modelId',
      cases: inputs(
        elsewhere(world, ({ place }) => (here) => ({ answerId: here.answerId, modelId: models[place] })),
      ),
    },
    {
      path: 'stopAnswer.input.answerId',
      cases: inputs(ofThreads(world, 'chat', ({ answerId }) => ({ answerId }))),
    },

    {
      path: 'addMember.input.workspaceId',
      cases: inputs(
        ofPlaces(
          WORKSPACE_PLACES,
          'manageMembers',
          async (_id, { copyOf }, place) => ({
            workspaceId: await copyOf(place),
            userId: idleId,
            role: 'MEMBER',
          }),
          (place) => (place === 'personal' || place === 'shared' ? 'CONFLICT' : 'ok'),
        ),
      ),
    },
    {
      path: 'addMember.input.userId',
      cases: inputs(
        ofPlaces(
          ['room', 'sideRoom'],
          'manageMembers',
          (workspaceId) => ({ workspaceId, userId: foreignUser, role: 'MEMBER' }),
          'NOT_FOUND',
        ),
      ),
    },
    ...['updateMember', 'removeMember'].flatMap((name) => {
      const role = name === 'updateMember' ? { role: 'ADMIN' } : {};
      const isThere = (place: PlaceName) => place !== 'personal' && place !== 'sideRoom';
      const then = (place: PlaceName) => (isThere(place) ? 'ok' : OTHER_NOT_FOUND);
      return [
        ...ofOwner(name, 'manageMembers', then, PLACES, () => ({ userId: subjectId, ...role }), 'copied'),
        {
          path: `${name}.input.userId`,
          cases: inputs(
            ofPlaces(
              ['shared', 'team', 'room'],
              'manageMembers',
              (id) => ({ ...ownerOf(id), userId: foreignUser, ...role }),
              'NOT_FOUND',
            ),
          ),
        },
      ];
    }),
    ...ofOwner(
      'createInvitation',
      'manageMembers',
      (place) => (INVITING_PLACES.some((each) => each === place) ? 'ok' : 'CONFLICT'),
      PLACES,
      () => ({ role: 'MEMBER' }),
    ),
    {
      path: 'revokeInvitation.input.id',
      cases: inputs(
        ofPlaces(INVITING_PLACES, 'manageMembers', async (id, { isAllowed }, place) => ({
          id: isAllowed ? (await addInvitation(world, id, place)).id : world.invitations[place]?.id,
        })),
      ),
    },
    { path: 'acceptInvitation.input.token', cases: inputs(acceptedInvitations(world)) },

    ...ofLife(world),
    {
      path: 'createWorkspace.input.teamId',
      cases: inputs(
        ofPlaces(TEAM_PLACES, 'createTeamWorkspace', async (_id, { copyOf }, place) => ({
          name: 'Another',
          teamId: await copyOf(place),
        })),
      ),
    },
    ...['userId', 'teamId'].map((name) =>
      ofOperator(`setPlan.input.${name}`, {
        [name]: name === 'userId' ? people.owner.id : places.team,
        plan: 'FREE',
      }),
    ),
    ofOperator('setPlan.input.email', { email: people.owner.email, plan: 'FREE' }),
    ...['disableUser', 'enableUser', 'signOutUser', 'createPasswordReset'].flatMap((mutation) => [
      ofOperator(`${mutation}.input.userId`, { userId: people.owner.id }),
      ofOperator(`${mutation}.input.email`, { email: people.owner.email }),
    ]),

    {
      path: 'answerEvents.answerId',
      cases: ofThreads(world, 'read', ({ answerId }) => ({ answerId })),
    },
    { path: 'threadEvents.threadId', cases: ofThreads(world, 'read', ({ threadId }) => ({ threadId })) },
    {
      path: 'workspaceEvents.workspaceId',
      cases: ofPlaces(WORKSPACE_PLACES, 'read', (workspaceId) => ({ workspaceId })),
    },
  ];
}

/** Refused for every person, signed in or not. */
function ofOperator(path: string, input: object): Rule {
  const title = 'of the operator';
  return { path, cases: inputs([{ title, expect: () => FOR_OPERATOR_ONLY, variables: () => input }]) };
}

/** Anonymous people get it too, over HTTP: a session makes no difference. */
export const FOR_OPERATOR_ONLY = 'NOT_PERMITTED null';

/** Something else that the input names is not there, so nothing is said about the argument itself. */
export const OTHER_NOT_FOUND = 'NOT_FOUND of another argument';

type Then = string | ((place: PlaceName, actor: ActorName) => string);

type Make = (id: string, scene: Scene, place: PlaceName) => Promise<object> | object;

/** An action in a place, allowed by role. */
function ofPlaces(places: readonly PlaceName[], action: Action, make: Make, then: Then = 'ok'): Case[] {
  return places.map((place) => ({
    title: place,
    expect: (actor) => byRole(actor, place, action, then),
    variables: (scene) => make(scene.world.places[place], scene, place),
  }));
}

function byRole(actor: ActorName, place: PlaceName, action: Action, then: Then): string {
  const role = roleOf(actor, place);
  if (role === null) return 'NOT_FOUND';
  if (!mayDo(role, action)) return `NOT_PERMITTED ${ACTIONS[action].role}`;
  return typeof then === 'string' ? then : then(place, actor);
}

/** Something that is done in a workspace or a team, whichever of the two is named. */
function ofOwner(
  name: string,
  action: Action,
  then: Then,
  places: readonly PlaceName[],
  more: () => object,
  where: 'there' | 'copied' = 'there',
): Rule[] {
  const make: Make = async (id, scene, place) => ({
    ...ownerOf(where === 'copied' ? await scene.copyOf(place) : id),
    ...more(),
  });
  const isTeam = (place: PlaceName) => TEAM_PLACES.includes(place);
  return [
    {
      path: `${name}.input.workspaceId`,
      cases: inputs(
        ofPlaces(
          places.filter((place) => !isTeam(place)),
          action,
          make,
          then,
        ),
      ),
    },
    { path: `${name}.input.teamId`, cases: inputs(ofPlaces(places.filter(isTeam), action, make, then)) },
  ];
}

function ofKeys(name: string, field: string, more: object): Rule[] {
  const make: Make = (_id, { world }, place) => ({ [field]: world.keys[place], ...more });
  return [{ path: `${name}.input.${field}`, cases: inputs(ofPlaces(KEY_PLACES, 'manageKeys', make)) }];
}

/** Announcing, sending and removing files. */
function ofFiles(world: World): Rule[] {
  const { threads, models, uploads } = world;
  const [here] = threads.filter(({ place }) => place === 'shared');
  if (here === undefined) throw new Error('there is no shared thread');
  const unsent = uploads.filter(({ place }) => place === 'shared');
  const isOwn = (actor: ActorName, creator: ActorName) => actor === creator && actor !== 'removed';
  const own = (title: string, make: (attachmentId: string) => object): Case[] =>
    unsent.map(({ place, creator, attachmentId }) => ({
      title: `${title} of ${creator}`,
      expect: (actor) => (isOwn(actor, creator) ? byRole(actor, 'shared', 'chat', 'ok') : 'NOT_FOUND'),
      variables: async ({ isAllowed }) =>
        make(isAllowed ? (await addUpload(world, place, creator)).attachmentId : attachmentId),
    }));
  return [
    {
      path: 'createAttachment.input.workspaceId',
      cases: inputs(
        ofPlaces(WORKSPACE_PLACES, 'chat', (workspaceId) => {
          return { workspaceId, fileName: 'notes.txt', sizeBytes: 1 };
        }),
      ),
    },
    {
      path: 'removeAttachment.input.id',
      cases: inputs([
        ...own('file', (id) => ({ id })),
        ...ofThreads(
          world,
          'chat',
          ({ attachmentId }) => ({ id: attachmentId }),
          () => 'CONFLICT',
        ),
      ]),
    },
    {
      path: 'sendMessage.input.attachmentIds',
      cases: inputs([
        // One id is a list of one.
        ...elsewhere(world, ({ attachmentId }) => (thread) => {
          return { ...message(thread, models), attachmentIds: attachmentId };
        }),
        ...own('file', (attachmentId) => ({ ...message(here, models), attachmentIds: attachmentId })).map(
          (each): Case => ({
            ...each,
            expect: (actor) => byRole(actor, 'shared', 'chat', () => each.expect(actor)),
          }),
        ),
      ]),
    },
  ];
}

/** Making variants, and changing one's own and those for everybody. */
function ofVariants(world: World): Rule[] {
  const { models, places, people, variants } = world;
  const title = () => newId('mdl');
  const changed = (more: (userId: string | null, isAllowed: boolean) => Promise<object> | object): Case[] =>
    inputs([
      {
        title: 'own variant of the member',
        expect: (actor) => (actor === 'member' ? 'ok' : 'NOT_FOUND'),
        variables: async ({ isAllowed }) => ({
          id: variants.own,
          ...(await more(people.member.id, isAllowed)),
        }),
      },
      {
        title: 'variant for everybody',
        expect: (actor) => byRole(actor, 'shared', 'manageModels', 'ok'),
        variables: async ({ isAllowed }) => ({ id: variants.everybody, ...(await more(null, isAllowed)) }),
      },
    ]);
  return [
    {
      path: 'createModelVariant.input.workspaceId',
      cases: inputs(
        ofPlaces(WORKSPACE_PLACES, 'chat', (workspaceId, _scene, place) => ({
          workspaceId,
          baseModelId: models[place] ?? models.team,
          title: title(),
        })),
      ),
    },
    {
      path: 'createModelVariant.input.baseModelId',
      cases: inputs(
        ofPlaces(
          ['shared'],
          'chat',
          () => ({ workspaceId: places.shared, baseModelId: models.rivalRoom, title: 'Another' }),
          'NOT_FOUND',
        ),
      ),
    },
    { path: 'updateModelVariant.input.id', cases: changed(() => ({ title: title() })) },
    {
      path: 'removeModelVariant.input.id',
      cases: changed(async (userId, isAllowed) => (isAllowed ? { id: await addVariant(world, userId) } : {})),
    },
  ];
}

/** Renaming, leaving, handing over and deleting. */
function ofLife({ people, subjectId }: World): Rule[] {
  const foreignUser = people.stranger.id;
  const alsoId =
    (more: object): Make =>
    async (_id, { copyOf }, place) => ({ id: await copyOf(place), ...more });
  const conflictUnless = (is: (place: PlaceName) => boolean) => (place: PlaceName) =>
    is(place) ? 'ok' : 'CONFLICT';
  const leaves: Then = (place, actor) => {
    const inTeam = place === 'room' || place === 'sideRoom' ? roleOf(actor, 'team') : null;
    return roleOf(actor, place) === 'OWNER' || inTeam === 'ADMIN' ? 'CONFLICT' : 'ok';
  };
  const isShared = (place: PlaceName) => place === 'shared';
  return [
    {
      path: 'updateWorkspace.input.id',
      cases: inputs(ofPlaces(WORKSPACE_PLACES, 'rename', alsoId({ name: 'Another' }))),
    },
    {
      path: 'updateTeam.input.id',
      cases: inputs(ofPlaces(TEAM_PLACES, 'rename', alsoId({ name: 'Another' }))),
    },
    {
      path: 'deleteWorkspace.input.id',
      cases: inputs(
        ofPlaces(
          WORKSPACE_PLACES,
          'delete',
          alsoId({}),
          conflictUnless((place) => place !== 'personal'),
        ),
      ),
    },
    { path: 'deleteTeam.input.id', cases: inputs(ofPlaces(TEAM_PLACES, 'delete', alsoId({}))) },
    {
      path: 'leaveWorkspace.input.id',
      cases: inputs(ofPlaces(WORKSPACE_PLACES, 'read', alsoId({}), leaves)),
    },
    { path: 'leaveTeam.input.id', cases: inputs(ofPlaces(TEAM_PLACES, 'read', alsoId({}), leaves)) },
    {
      path: 'transferWorkspace.input.id',
      cases: inputs(
        ofPlaces(WORKSPACE_PLACES, 'transfer', alsoId({ userId: subjectId }), conflictUnless(isShared)),
      ),
    },
    {
      path: 'transferWorkspace.input.userId',
      cases: inputs(ofPlaces(['shared'], 'transfer', alsoId({ userId: foreignUser }), 'NOT_FOUND')),
    },
    {
      path: 'transferTeam.input.id',
      cases: inputs(ofPlaces(TEAM_PLACES, 'transfer', alsoId({ userId: subjectId }))),
    },
    {
      path: 'transferTeam.input.userId',
      cases: inputs(ofPlaces(['team'], 'transfer', alsoId({ userId: foreignUser }), 'NOT_FOUND')),
    },
  ];
}

/** Something that is done with a thread by those who see it and have the role for it. */
function ofThreads(
  { threads }: World,
  action: Action,
  make: (thread: PlacedThread, scene: Scene) => Promise<object> | object,
  then: (actor: ActorName, thread: PlacedThread) => string = () => 'ok',
): Case[] {
  return threads.map((thread) => ({
    title: `${thread.visibility} of ${thread.creator} in ${thread.place}`,
    expect: (actor) => {
      if (thread.visibility === 'PRIVATE' && thread.creator !== actor) return 'NOT_FOUND';
      return byRole(actor, thread.place, action, () => then(actor, thread));
    },
    variables: (scene) => make(thread, scene),
  }));
}

function deletedThreads(world: World): Case[] {
  return ofThreads(
    world,
    'chat',
    async ({ threadId, place, creator, visibility }, { isAllowed }) => ({
      id: isAllowed ? (await addThread(world, place, creator, visibility)).threadId : threadId,
    }),
    (actor, { place, creator }) =>
      actor === creator || mayIn(actor, place, 'manageThreads') ? 'ok' : 'NOT_PERMITTED ADMIN',
  );
}

/** In a thread of the shared workspace, with the id of something that is in another place, the person's own ones too. */
function elsewhere(world: World, make: (there: PlacedThread) => (here: PlacedThread) => object): Case[] {
  const [here] = world.threads.filter(({ place }) => place === 'shared');
  if (here === undefined) throw new Error('there is no shared thread');
  return (['personal', 'room', 'rivalRoom'] as const).map((place) => {
    const there = world.threads.find((thread) => thread.place === place);
    if (there === undefined) throw new Error(`there is no thread in ${place}`);
    return {
      title: `shared with something of ${place}`,
      expect: (actor) => byRole(actor, 'shared', 'chat', 'NOT_FOUND'),
      variables: () => make(there)(here),
    };
  });
}

function message({ threadId, place }: PlacedThread, models: World['models']): object {
  return { threadId, text: 'Hello', modelIds: [models[place] ?? models.team] };
}

/** One that is open, one that has run out, and one whose maker may not invite any more. */
function acceptedInvitations(world: World): Case[] {
  const open = INVITING_PLACES.map((place): Case => {
    return {
      title: `into ${place}`,
      expect: (actor) => (roleOf(actor, place) === null ? 'ok' : 'CONFLICT'),
      variables: async ({ copyOf, isAllowed }) => ({
        token: isAllowed
          ? (await addInvitation(world, await copyOf(place), place)).token
          : world.invitations[place]?.token,
      }),
    };
  });
  const over = INVITING_PLACES.map((place): Case => {
    return {
      title: `into ${place}, run out`,
      expect: () => 'NOT_FOUND',
      variables: () => ({ token: world.expired[place]?.token }),
    };
  });
  return [...open, ...over];
}

interface ObjectCase {
  title: string;
  id: string;
  expect(actor: ActorName): string;
}

/** Everything there is in the world, what has an id but is no Node included. */
function objectCases(world: World): ObjectCase[] {
  const { places, keys, models, threads, people, subjectId } = world;
  const of = (place: PlaceName, action: Action) => (actor: ActorName) =>
    mayIn(actor, place, action) ? 'ok' : 'NOT_FOUND';
  const nothing = () => 'NOT_FOUND';
  return [
    ...PLACES.map((place) => ({ title: place, id: places[place], expect: of(place, 'read') })),
    ...KEY_PLACES.map((place) => {
      return { title: `key of ${place}`, id: keys[place] ?? '', expect: of(place, 'manageKeys') };
    }),
    ...KEY_PLACES.map((place) => {
      return { title: `model of ${place}`, id: models[place] ?? '', expect: of(place, 'read') };
    }),
    {
      title: 'own variant of the member',
      id: world.variants.own,
      expect: (actor) => (actor === 'member' ? 'ok' : 'NOT_FOUND'),
    },
    { title: 'variant for everybody', id: world.variants.everybody, expect: of('shared', 'read') },
    ...world.uploads.map(({ place, creator, attachmentId }) => ({
      title: `file of ${creator} in ${place} that was not sent`,
      id: attachmentId,
      expect: (actor: ActorName) => (actor === creator ? of(place, 'read')(actor) : 'NOT_FOUND'),
    })),
    ...threads.flatMap(({ threadId, questionId, attachmentId, answerId, ...thread }) =>
      [threadId, questionId, attachmentId, answerId].map((id) => ({
        title: `${prefixOf(id)} ${thread.visibility} of ${thread.creator} in ${thread.place}`,
        id,
        expect: (actor: ActorName) =>
          thread.visibility === 'PRIVATE' && thread.creator !== actor
            ? 'NOT_FOUND'
            : of(thread.place, 'read')(actor),
      })),
    ),
    ...INVITING_PLACES.map((place) => ({
      title: `invitation into ${place}`,
      id: world.invitations[place]?.id ?? '',
      expect: of(place, 'manageMembers'),
    })),
    ...INVITING_PLACES.map((place) => ({
      title: `expired invitation into ${place}`,
      id: world.expired[place]?.id ?? '',
      expect: nothing,
    })),
    ...PLACES.map((place) => ({
      title: `first audit entry of ${place}`,
      id: auditEntryIdOf(places[place], 1),
      expect: of(place, 'readAuditLog'),
    })),
    ...PLACES.map((place) => ({
      title: `owner as a member of ${place}`,
      id: memberIdOf(places[place], people[hostOf(place)].id),
      expect: of(place, 'read'),
    })),
    { title: 'former member', id: memberIdOf(places.shared, people.removed.id), expect: nothing },
    { title: 'viewer', id: viewerIdOf(people.owner.id), expect: nothing },
    ...(['owner', 'stranger', 'removed'] as const).map((name) => ({
      title: `person: ${name}`,
      id: people[name].id,
      expect: (actor: ActorName) => (actor === name || meet(actor, name) ? 'ok' : 'NOT_FOUND'),
    })),
    {
      title: 'person in all places but one workspace',
      id: subjectId,
      expect: (actor) => (PLACES.some((place) => mayIn(actor, place, 'read')) ? 'ok' : 'NOT_FOUND'),
    },
  ];
}

/** Whether two people are in one place. */
function meet(left: ActorName, right: ActorName): boolean {
  return PLACES.some((place) => roleOf(left, place) !== null && roleOf(right, place) !== null);
}

function asVariables(name: 'id' | 'ids') {
  return ({ id, ...rest }: ObjectCase): Case => ({
    ...rest,
    variables: () => ({ [name]: name === 'id' ? id : [id] }),
  });
}

function inputs(cases: readonly Case[]): Case[] {
  return cases.map((each) => ({
    ...each,
    variables: async (scene) => ({ input: await each.variables(scene) }),
  }));
}

const named: Make = (workspaceId) => ({ workspaceId, title: 'Another' });

function ownerOf(id: string): object {
  return prefixOf(id) === 'tem' ? { teamId: id } : { workspaceId: id };
}

/** A box made with the sealing key of another tenant. */
function sealedFor(world: World, otherId: string): Make {
  return (id) => ({ ...ownerOf(id), provider: 'OPENAI', sealed: sealed(world, otherId) });
}

function sealed({ server }: World, tenantId: string): object {
  return { keyId: `${tenantId}.1.${server.app.rootKeys[0].id}`, box: 'AAAA' };
}

/** The same variables with a made-up id at this argument. */
export function withRandomId(path: string, variables: object): object {
  const [, ...names] = path.split('.');
  return replaced(variables, names) as object;
}

function replaced(value: unknown, [name, ...rest]: readonly string[]): unknown {
  if (name === undefined) return Array.isArray(value) ? value.map(madeUp) : madeUp(value);
  const given = value as Record<string, unknown>;
  return { ...given, [name]: replaced(given[name], rest) };
}

/** Of the same kind and length, so that only its existence could distinguish them. */
function madeUp(id: unknown): string {
  const [first = '', ...rest] = String(id).split('.');
  const prefix = prefixOf(first);
  switch (prefix) {
    case undefined:
      return newInvitationToken().token;
    case 'mem':
      return memberIdOf(newId('wsp'), newId('usr'));
    case 'aud':
      return auditEntryIdOf(newId('wsp'), 1);
    case 'vwr':
      return viewerIdOf(newId('usr'));
    default:
      return [newId(prefix), ...rest].join('.');
  }
}

/** Makes the copies that a scene asks for; `made` gets them, to be taken away again. */
export function copier(world: World, isAllowed: boolean, made: string[]): Scene['copyOf'] {
  return async (place) => {
    if (!isAllowed) return world.places[place];
    const id = await copyPlace(world, place);
    made.push(id);
    return id;
  };
}
