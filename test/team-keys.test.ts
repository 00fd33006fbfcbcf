import sodium from 'libsodium-wrappers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealApiKey } from '../schema/seal.js';
import { bodyText, type KeyResult, modelsOf, rawBody, type SealingKey, untilStatus } from './kit/api-key.ts';
import { type Cast, change, newTeam, sharedTeam, signUpCast, teamWorkspace } from './kit/people.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { answerOf, inWorkspace, readAnswer } from './kit/place.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/**
 * A team's key pays in all workspaces of the team and nowhere else, and only the team's OWNER and ADMINs ever learn more of
 * it than that.
 */

const LABEL = 'Board of directors';
const SECRET = 'sk-sim-of-the-team-9876';

let server: TestServer;
let cast: Cast;
/** ADMIN of one workspace, and no more than MEMBER of the team. */
let localAdmin: Person;
let teamId: string;
let lab: string;
let office: string;

beforeAll(async () => {
  server = await startTestServer({ LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN });
});
afterAll(() => server.close());

beforeEach(async () => {
  cast = await signUpCast(server);
  teamId = await sharedTeam(cast);
  lab = await teamWorkspace(cast, teamId);
  office = await teamWorkspace(cast, teamId);
  localAdmin = cast.viewer;
  await change(cast.owner, 'update-member', {
    workspaceId: lab,
    userId: localAdmin.id,
    role: 'ADMIN',
  });
});

async function addTeamKey(person: Person, input: object = {}): Promise<KeyResult> {
  return await person.run<KeyResult>('add-api-key', {
    input: { teamId, provider: 'OPENAI', secret: SECRET, label: LABEL, ...input },
  });
}

function named(models: readonly NamedModel[], name: string): NamedModel {
  const model = models.find((each) => each.name === name);
  if (model === undefined) throw new Error(`no model ${name}`);
  return model;
}

describe('a key of a team', () => {
  test('a key of a team is added by its OWNER and its ADMINs, and pays in every workspace of the team', async () => {
    expect(await addTeamKey(cast.owner)).toMatchObject({
      __typename: 'AddApiKeyPayload',
      apiKey: { scope: 'TEAM', status: 'ACTIVE', hint: '9876' },
    });
    const mistral = await addTeamKey(cast.admin, { provider: 'MISTRAL' });
    expect(mistral).toMatchObject({ apiKey: { scope: 'TEAM', status: 'ACTIVE' } });
    for (const workspaceId of [lab, office]) {
      const member = inWorkspace(cast.member, workspaceId);
      const models = await modelsOf(member);
      expect(models.length).toBeGreaterThan(mistral.models.length);
      for (const model of models) expect(model).toMatchObject({ isAvailable: true, paidBy: 'TEAM' });
      const [model] = mistral.models;
      expect(await answerOf(member, model ?? { id: '' })).toMatchObject({
        status: 'COMPLETE',
        paidBy: 'TEAM',
        error: null,
      });
    }
    const calls = server.simulator.requests.filter(({ headers }) => headers.authorization?.includes(SECRET));
    expect(calls.length).toBeGreaterThan(0);
  });

  test('a key of a team is sealed for the team, and a box for one of its workspaces is refused', async () => {
    await sodium.ready;
    const { data } = await rawBody(
      cast.admin,
      'query ($teamId: ID!, $lab: ID!) { team(id: $teamId) { sealingKey { id publicKey } } workspace(id: $lab) { sealingKey { id publicKey } } }',
      { teamId, lab },
    );
    const { team, workspace } = data as Record<'team' | 'workspace', { sealingKey: SealingKey }>;
    const content = { provider: 'OPENAI', baseUrl: null, secret: SECRET };
    const forTeam = sealApiKey(sodium, { owner: teamId, ...content, sealingKey: team.sealingKey });
    const forLab = sealApiKey(sodium, { owner: lab, ...content, sealingKey: workspace.sealingKey });
    const misdirected = sealApiKey(sodium, { owner: lab, ...content, sealingKey: team.sealingKey });
    const sealed = { secret: null };
    expect(await addTeamKey(cast.admin, { ...sealed, sealed: forTeam })).toMatchObject({
      apiKey: { status: 'ACTIVE', hint: '9876' },
    });
    expect(await addTeamKey(cast.admin, { ...sealed, sealed: forLab })).toMatchObject({
      __typename: 'StaleSealingKeyError',
      sealingKey: team.sealingKey,
    });
    expect(await addTeamKey(cast.admin, { ...sealed, sealed: misdirected })).toMatchObject({
      fields: [{ path: 'sealed', message: expect.stringContaining('another owner') }],
    });
  });

  test('a key of a team needs the Business plan of the team, and waits unharmed while the team has a lesser one', async () => {
    const { apiKey, models } = await addTeamKey(cast.owner);
    await setPlan(server, { teamId }, 'PREMIUM');
    expect(await addTeamKey(cast.owner)).toMatchObject({
      code: 'PLAN_REQUIRED',
      message:
        'Provider keys of a team need the Business plan. The owner of the team can ask the operator of this server for it.',
    });
    const member = inWorkspace(cast.member, lab);
    for (const model of await modelsOf(member))
      expect(model).toMatchObject({ isAvailable: false, unavailableReason: 'PLAN_REQUIRED' });
    expect(await member.ask('Hello?', models.slice(0, 1))).toMatchObject({ code: 'PLAN_REQUIRED' });
    // Keys of a workspace need less.
    await inWorkspace(cast.admin, lab).addKey('OPENAI');
    expect(await answerOf(member, models[0] ?? { id: '' })).toMatchObject({ paidBy: 'WORKSPACE' });

    await setPlan(server, { teamId }, 'BUSINESS');
    expect(await teamKeys(cast.owner)).toMatchObject([{ id: apiKey.id, status: 'ACTIVE' }]);
    for (const model of await modelsOf(inWorkspace(cast.member, office)))
      expect(model).toMatchObject({ isAvailable: true, paidBy: 'TEAM' });
  });
});

describe('a workspace with a key of its own', () => {
  test('a workspace with a key of its own uses that first, and the team’s only when none of its own can be used', async () => {
    await addTeamKey(cast.owner);
    const member = inWorkspace(cast.member, lab);
    const { apiKey } = await inWorkspace(cast.admin, lab).addKey('OPENAI', 'sk-sim-of-the-lab');
    const update = (input: object) =>
      cast.admin.run('update-api-key', { input: { id: apiKey.id, ...input } });
    const [model] = await modelsOf(member);
    const payer = async () => {
      const { paidBy, apiKey: paid } = await answerOf(member, model ?? { id: '' }, cast.owner);
      return [paidBy, paid?.label];
    };
    expect(await payer()).toEqual(['WORKSPACE', 'OpenAI']);
    await update({ isEnabled: false });
    expect(await payer()).toEqual(['TEAM', LABEL]);
    await update({ isEnabled: true });
    expect(await payer()).toEqual(['WORKSPACE', 'OpenAI']);
    await update({ expiresAt: '2020-01-01T00:00:00Z' });
    expect(await payer()).toEqual(['TEAM', LABEL]);
    await update({ expiresAt: null });
    await cast.admin.run('remove-api-key', { input: { id: apiKey.id } });
    expect(await payer()).toEqual(['TEAM', LABEL]);
  });

  test('a workspace with a key of its own keeps to its own while that may be tried, though it has no credit', async () => {
    await addTeamKey(cast.owner);
    const own = await inWorkspace(cast.admin, lab).addKey('OPENAI', 'sk-sim-quota-of-the-lab');
    const member = inWorkspace(cast.member, lab);
    const [model] = own.models;
    const refused = { paidBy: 'WORKSPACE', error: { code: 'QUOTA_EXCEEDED' } };
    expect(await answerOf(member, model ?? { id: '' })).toMatchObject(refused);
    await untilStatus(inWorkspace(cast.admin, lab), own.apiKey.id, 'EXHAUSTED');
    expect(await answerOf(member, model ?? { id: '' })).toMatchObject(refused);
  });

  test('a workspace with a key of its own lists a model that both offer once, and an id of the team’s entry still asks for it', async () => {
    const ofTeam = await addTeamKey(cast.owner);
    const own = await inWorkspace(cast.admin, lab).addKey('OPENAI', 'sk-sim-of-the-lab');
    const member = inWorkspace(cast.member, lab);
    const listed = await modelsOf(member);
    expect(listed.map(({ id }) => id).toSorted()).toEqual(own.models.map(({ id }) => id).toSorted());
    expect(await modelsOf(inWorkspace(cast.member, office))).toHaveLength(ofTeam.models.length);

    const { name = '' } = own.models[0] ?? {};
    const answer = await answerOf(member, named(ofTeam.models, name));
    expect(answer).toMatchObject({ paidBy: 'WORKSPACE', model: { id: named(own.models, name).id } });
  });
});

describe('outside its team a key of a team', () => {
  test('outside its team a key of a team pays for nothing: not in a member’s personal workspace, a shared one, or another team’s', async () => {
    const { models } = await addTeamKey(cast.owner);
    const otherTeam = await newTeam(cast.owner);
    const elsewhere = [
      cast.member,
      inWorkspace(cast.owner, (await change(cast.owner, 'create-workspace', { name: 'Mine' })).workspace.id),
      inWorkspace(
        cast.owner,
        (await change(cast.owner, 'create-workspace', { name: 'Theirs', teamId: otherTeam })).workspace.id,
      ),
    ];
    const asked = server.simulator.requests.length;
    for (const person of elsewhere) {
      expect(await modelsOf(person)).toEqual([]);
      expect(await person.ask('Hello?', models.slice(0, 1))).toMatchObject({ code: 'NOT_FOUND' });
    }
    expect(server.simulator.requests).toHaveLength(asked);
  });

  test('outside its team a key of a team and a personal key pays in no workspace of the team', async () => {
    const { models } = await cast.owner.addKey('OPENAI');
    const owner = inWorkspace(cast.owner, lab);
    expect(await modelsOf(owner)).toEqual([]);
    expect(await owner.ask('Hello?', models.slice(0, 1))).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('outside its team a key of a team does not exist, and neither do its models', async () => {
    const { apiKey, models } = await addTeamKey(cast.owner);
    const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }';
    const ids = [apiKey.id, ...models.map(({ id }) => id)];
    const { data } = await rawBody(cast.stranger, query, { ids });
    expect(data.nodes).toEqual(ids.map(() => null));
    expect(await bodyText(cast.stranger, '{ viewer { teams { nodes { id } } } }')).toBe(
      '{"data":{"viewer":{"teams":{"nodes":[]}}}}',
    );
  });
});

describe('of a key of a team', () => {
  test('only its OWNER and ADMINs see label, hint, status and address, whichever way is taken', async () => {
    const baseUrl = server.simulator.baseUrls.CUSTOM;
    const { apiKey, models } = await addTeamKey(cast.owner, { provider: 'CUSTOM', baseUrl });
    const [model] = models;
    const { id: answerId } = await answerOf(inWorkspace(cast.member, lab), model ?? { id: '' });
    const everything = `query ($teamId: ID!, $lab: ID!, $ids: [ID!]!) {
      team(id: $teamId) { name plan apiKeys(first: 5) { nodes { ...K } edges { node { ...K } } } }
      workspace(id: $lab) { apiKeys(first: 5) { nodes { ...K } } models(first: 5) { nodes { ...M } } threads(first: 2) { nodes { messages(first: 5) { nodes { ...A } } } } }
      nodes(ids: $ids) { __typename ... on ApiKey { ...K } ... on Model { ...M } ... on Answer { ...A } }
    }
    fragment K on ApiKey { id provider label hint scope position status statusMessage isEnabled baseUrl createdAt lastUsedAt modelsRefreshedAt
      removalImpact { threadCount runningAnswerCount models { id } } }
    fragment M on Model { id name isAvailable unavailableReason paidBy apiKeys { id label hint status } }
    fragment A on Answer { id paidBy apiKey { id label hint baseUrl } error { message } model { id apiKeys { id label } } }`;
    const seen = async (person: Person) =>
      await bodyText(person, everything, { teamId, lab, ids: [apiKey.id, model?.id, answerId] });
    const marks = { label: LABEL, hint: '"9876"', address: new URL(baseUrl).host, id: apiKey.id };
    const found = async (person: Person) => {
      const text = await seen(person);
      expect(text).toContain('"paidBy":"TEAM"');
      expect(text).not.toContain('"errors"');
      return Object.entries(marks).flatMap(([mark, value]) => (text.includes(value) ? [mark] : []));
    };
    expect(await found(cast.owner)).toEqual(['label', 'hint', 'address', 'id']);
    expect(await found(cast.admin)).toEqual(['label', 'hint', 'address', 'id']);
    expect(await found(localAdmin)).toEqual([]);
    expect(await found(cast.member)).toEqual([]);
    expect(await seen(cast.stranger)).toBe(
      '{"data":{"team":null,"workspace":null,"nodes":[null,null,null]}}',
    );
  });

  test('only those change anything, an ADMIN of one workspace included among the others', async () => {
    const { apiKey } = await addTeamKey(cast.owner);
    const before = await teamKeys(cast.owner);
    const { id } = apiKey;
    const asked = server.simulator.requests.length;
    for (const person of [localAdmin, cast.member])
      for (const [operation, input] of [
        ['add-api-key', { teamId, provider: 'OPENAI', secret: SECRET }],
        ['check-api-key', { id }],
        ['update-api-key', { id, label: 'Mine' }],
        ['replace-api-key-secret', { id, secret: SECRET }],
        ['remove-api-key', { id }],
      ] as const)
        expect(await person.run(operation, { input }), operation).toMatchObject({
          code: 'NOT_PERMITTED',
          message: 'Your role does not allow you to manage API keys here. Ask an owner or admin.',
        });
    expect(server.simulator.requests).toHaveLength(asked);
    expect(await teamKeys(cast.owner)).toEqual(before);
  });

  test('of a key of a team, others read a neutral sentence when it fails them, and its managers what to do', async () => {
    const { apiKey, models } = await addTeamKey(cast.owner, { secret: 'sk-sim-quota-of-the-team' });
    const model = models.slice(0, 1);
    const answer = await answerOf(inWorkspace(cast.member, lab), model[0] ?? { id: '' });
    const neutral =
      'The OpenAI key for this model cannot be used at the moment. Choose another model, or ask the person who manages the key.';
    for (const [person, message] of [
      [cast.admin, 'The account behind this key has no credit or quota left. Add some at OpenAI.'],
      [localAdmin, neutral],
      [cast.member, neutral],
    ] as const)
      expect((await readAnswer(person, answer.id)).error).toEqual({
        code: 'QUOTA_EXCEEDED',
        message,
        fixableBy: 'KEY_MANAGER',
      });

    await cast.owner.run('update-api-key', { input: { id: apiKey.id, expiresAt: '2020-01-01T00:00:00Z' } });
    for (const [person, message] of [
      [
        cast.admin,
        'This OpenAI key has expired. Replace it, or set a later expiry date if one was set here.',
      ],
      [localAdmin, neutral],
      [cast.member, neutral],
    ] as const)
      expect(await inWorkspace(person, lab).ask('Once more?', model)).toMatchObject({
        __typename: 'ModelUnavailableError',
        code: 'KEY_EXPIRED',
        message,
      });
  });
});

async function teamKeys(person: Person) {
  const { data } = await rawBody(
    person,
    'query ($teamId: ID!) { team(id: $teamId) { apiKeys { nodes { id label hint status isEnabled position } } } }',
    { teamId },
  );
  return (data.team as { apiKeys: { nodes: { id: string }[] } }).apiKeys.nodes;
}
