import { asc, eq, inArray } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiKeys } from '../src/db/tables/api-key.ts';
import { apiKeyModels, models } from '../src/db/tables/model.ts';
import { messages, threads } from '../src/db/tables/thread.ts';
import { workspaceMembers } from '../src/db/tables/workspace.ts';
import { PLANS, type Plan } from '../src/plans-and-roles.ts';
import { PLAN_FOR_KEYS, planAllowsKeys } from '../src/workspaces/plan.ts';
import { askHeld, type Follower, follow, isEnd, readAnswer } from './kit/answer.ts';
import { rawBody } from './kit/api-key.ts';
import { letIn, newTeamAndWorkspace, newWorkspace } from './kit/people.ts';
import type { AddedKey, NamedModel, Person, Sent } from './kit/person.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { say } from './kit/say.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const MODEL = 'gpt-4.1-nano';
const env = { LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN };
const SUSPENDED =
  'The plan does not include this provider key. The owner of the workspace or team can ask the operator of this server to change it.';

/** What is needed to try a scope: who pays, where the key is, and where it is asked with. */
interface Place {
  payer: { userId: string } | { teamId: string };
  owner: { workspaceId: string } | { teamId: string };
  workspaceId: string;
}

const SCOPES: Record<string, (ada: Person) => Promise<Place>> = {
  async PERSONAL(ada) {
    const { workspaceId } = ada;
    return { payer: { userId: ada.id }, owner: { workspaceId }, workspaceId };
  },
  async WORKSPACE(ada) {
    const workspaceId = await newWorkspace(ada);
    return { payer: { userId: ada.id }, owner: { workspaceId }, workspaceId };
  },
  async TEAM(ada) {
    const { teamId, workspaceId } = await newTeamAndWorkspace(ada);
    return { payer: { teamId }, owner: { teamId }, workspaceId };
  },
};

describe.each(Object.entries(SCOPES))('a key of scope %s', (scope, placeOf) => {
  test.each(PLANS)('on the plan %s', async (plan) => {
    await using server = await startTestServer(env);
    const ada = await server.signUp();
    const { payer, owner, workspaceId } = await placeOf(ada);
    const before = await addTo(ada, owner);
    const secretOf = (text: string) => ({ secret: `sk-sim-${text}-0123456789` });
    const rows = await rowsOf(server, owner);
    await setPlan(server, payer, plan);
    expect(await rowsOf(server, owner)).toEqual(rows);

    const has = planAllowsKeys(plan, scope === 'TEAM' ? 'team' : 'workspace');
    const required = PLAN_FOR_KEYS[scope === 'TEAM' ? 'team' : 'workspace'];
    const refused = { __typename: 'PlanRequiredError', code: 'PLAN_REQUIRED', fixableBy: 'WORKSPACE_ADMIN' };

    const listed = await listIn(ada, owner, workspaceId);
    expect(listed.apiKey).toEqual(
      has
        ? { id: before.apiKey.id, scope, status: 'ACTIVE', statusMessage: null, isEnabled: true }
        : { id: before.apiKey.id, scope, status: 'SUSPENDED', statusMessage: SUSPENDED, isEnabled: true },
    );
    expect(listed.model).toMatchObject(
      has
        ? { isAvailable: true, unavailableReason: null, paidBy: scope }
        : { isAvailable: false, unavailableReason: 'PLAN_REQUIRED', paidBy: null },
    );

    const added = await ada.run<{ __typename: string }>('add-api-key', {
      input: { ...owner, provider: 'ANTHROPIC', ...secretOf('second') },
    });
    expect(added).toMatchObject(has ? { __typename: 'AddApiKeyPayload' } : refused);
    const replaced = await ada.run<{ __typename: string }>('replace-api-key-secret', {
      input: { id: before.apiKey.id, ...secretOf('other') },
    });
    expect(replaced).toMatchObject(has ? { __typename: 'ReplaceApiKeySecretPayload' } : refused);

    const { id } = before.apiKey;
    const calls = server.simulator.requests.length;
    const checked = await ada.run<{ __typename: string }>('check-api-key', { input: { id } });
    expect(checked).toMatchObject(has ? { __typename: 'CheckApiKeyPayload' } : refused);
    // No provider hears of a key that the plan does not include.
    expect(server.simulator.requests.length > calls).toBe(has);

    const asked = await askIn(ada, workspaceId, before.models, 'simulate: echo');
    expect(asked).toMatchObject(
      has
        ? { __typename: 'SendMessagePayload', answers: [{ paidBy: scope }] }
        : { __typename: 'ModelUnavailableError', code: 'PLAN_REQUIRED', message: SUSPENDED },
    );
    const ended = has ? await endOf(ada, asked) : 'not asked';
    expect(ended).toBe(has ? 'COMPLETE' : 'not asked');
    if (!has) {
      const { requiredPlan } = await whatPlanItNeeds(ada, owner);
      expect(requiredPlan).toBe(required);
      // What is there can still be looked after.
      const renamed = await ada.run<object>('update-api-key', {
        input: { id: before.apiKey.id, label: 'Kept' },
      });
      expect(renamed).toMatchObject({ apiKey: { label: 'Kept', status: 'SUSPENDED' } });
    }
    const removed = await ada.run<object>('remove-api-key', { input: { id: before.apiKey.id } });
    expect(removed).toMatchObject({ __typename: 'RemoveApiKeyPayload' });
    show(
      `${scope} × ${plan}`,
      `list ${listed.apiKey?.status}, model ${listed.model?.unavailableReason ?? 'available'}, add ${added.__typename}, ` +
        `replace ${replaced.__typename}, check ${checked.__typename}, ask ${asked.__typename}, answer ${ended}, remove RemoveApiKeyPayload`,
    );
  });
});

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer(env);
});
afterAll(() => server.close());

test('a team on PREMIUM has the keys of its workspaces, and its own are suspended', async () => {
  const ada = await server.signUp();
  const { teamId, workspaceId } = await newTeamAndWorkspace(ada);
  const ofTeam = await addTo(ada, { teamId });
  const paidBy = async () => (await listIn(ada, { teamId }, workspaceId)).model?.paidBy;
  await setPlan(server, { teamId }, 'PREMIUM');
  expect(await paidBy()).toBeNull();
  const ofWorkspace = await addTo(ada, { workspaceId });
  expect(await paidBy()).toBe('WORKSPACE');
  // Whichever of the two entries a client knows, the plan decides who pays.
  for (const known of [ofTeam, ofWorkspace]) {
    const asked = await askIn(ada, workspaceId, known.models, 'simulate: echo');
    expect(asked).toMatchObject({ answers: [{ paidBy: 'WORKSPACE' }] });
    expect(await endOf(ada, asked)).toBe('COMPLETE');
  }
});

test('an invited person on FREE uses the keys of a paid workspace, and none of their own', async () => {
  const ada = await server.signUp();
  const bob = await server.signUp('Bob');
  await setPlan(server, { userId: bob.id }, 'FREE');
  const workspaceId = await newWorkspace(ada);
  await letIn(ada, workspaceId, bob, 'MEMBER');
  const { models } = await addTo(ada, { workspaceId });
  const asked = await askIn(bob, workspaceId, models, 'simulate: echo');
  expect(asked).toMatchObject({ answers: [{ paidBy: 'WORKSPACE' }] });
  expect(await endOf(bob, asked)).toBe('COMPLETE');
  expect(await bob.addKey()).toMatchObject({ code: 'PLAN_REQUIRED' });
});

describe('a downgrade', () => {
  test('a downgrade stops nothing but the keys, and an upgrade finds every row as it was', async () => {
    const ada = await server.signUp();
    const bob = await server.signUp('Bob');
    const workspaceId = await newWorkspace(ada);
    await letIn(ada, workspaceId, bob, 'MEMBER');
    const { models, apiKey } = await addTo(ada, { workspaceId });
    const model = modelOf(models);
    const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
      input: { workspaceId, visibility: 'WORKSPACE' },
    });
    const held = await askHeld(server.simulator, ada, model, { threadId: thread.id });
    held.call.release(2);
    const rows = await rowsOf(server, { workspaceId });
    const membersBefore = await membersOf(server, workspaceId);

    expect(await setPlan(server, { userId: ada.id }, 'FREE')).toMatchObject({
      plan: 'FREE',
      previousPlan: 'BUSINESS',
      isDefault: false,
      workspaceCount: 2,
    });
    expect(await rowsOf(server, { workspaceId })).toEqual(rows);
    expect(await membersOf(server, workspaceId)).toEqual(membersBefore);
    expect(await bob.run('thread', { id: thread.id })).toMatchObject({
      messages: { edges: [{ node: { role: 'USER' } }, { node: { role: 'ASSISTANT', status: 'WRITING' } }] },
    });
    held.call.release();
    const socket = bob.socket();
    const { end } = await readAnswer(socket, held.answerId);
    await socket.dispose();
    expect(end).toMatchObject({ __typename: 'AnswerFinished', answer: { status: 'COMPLETE' } });
    expect(await bob.run('thread', { id: thread.id })).toMatchObject({
      cannotGenerateReason: expect.any(String),
      messages: { edges: [{}, { node: { status: 'COMPLETE', text: end?.answer.text } }] },
    });

    // The outcome of the answer is saved on the key; the plan writes nothing.
    const afterAnswer = await rowsOf(server, { workspaceId });
    await setPlan(server, { userId: ada.id }, null);
    expect(await rowsOf(server, { workspaceId })).toEqual(afterAnswer);
    expect((await listIn(ada, { workspaceId }, workspaceId)).apiKey).toMatchObject({
      id: apiKey.id,
      status: 'ACTIVE',
      statusMessage: null,
    });
    const asked = await askIn(bob, workspaceId, models, 'simulate: echo');
    expect(await endOf(bob, asked)).toBe('COMPLETE');
  });

  test(
    'while 50 answers stream lets each come to its end, and the next question of each is refused',
    async () => {
      const ada = await server.signUp();
      const people = await Promise.all(Array.from({ length: 5 }, () => server.signUp('Member')));
      const workspaceId = await newWorkspace(ada);
      for (const person of people) await letIn(ada, workspaceId, person, 'MEMBER');
      const model = modelOf((await addTo(ada, { workspaceId })).models);
      const askers = people.flatMap((person) => Array.from({ length: 10 }, () => person));
      const streams = await Promise.all(
        askers.map(async (person) => {
          const { thread } = await person.run<{ thread: { id: string } }>('create-thread', {
            input: { workspaceId },
          });
          const held = await askHeld(server.simulator, person, model, { threadId: thread.id });
          const socket = person.socket();
          const events = follow(socket, 'answer-events', { answerId: held.answerId });
          held.call.release(3);
          const first = await events.next();
          return { person, held, socket, events, firstText: String(first.value?.text) };
        }),
      );
      expect(server.simulator.openStreams()).toBe(50);

      await setPlan(server, { userId: ada.id }, 'FREE');
      const seen = await Promise.all(
        streams.map(async ({ person, held, socket, events, firstText }) => {
          const next = await person.ask('And now?', [model], held.threadId);
          held.call.release();
          let end: string | undefined;
          let text = '';
          for await (const event of events)
            if (isEnd(event)) {
              end = `${event.__typename} ${event.answer.status}`;
              text = event.answer.text;
            }
          await socket.dispose();
          return { end, isWhole: text.startsWith(firstText) && text.length > firstText.length, next };
        }),
      );
      expect(counted(seen.map(({ end }) => end))).toEqual({ 'AnswerFinished COMPLETE': 50 });
      expect(seen.every(({ isWhole }) => isWhole)).toBe(true);
      expect(counted(seen.map(({ next }) => String(Reflect.get(next, 'code'))))).toEqual({
        PLAN_REQUIRED: 50,
      });
      show(
        'downgrade while 50 answers stream',
        `${JSON.stringify(counted(seen.map(({ end }) => end)))}, text whole ${seen.filter(({ isWhole }) => isWhole).length}, ` +
          `next question ${JSON.stringify(counted(seen.map(({ next }) => next.__typename)))}`,
      );
    },
    CROWD_TIMEOUT_MS,
  );

  test(
    'between check and send leaves an answer that ends or none at all, whichever came first',
    async () => {
      const ada = await server.signUp();
      const model = modelOf((await ada.addKey()).models);
      const lanes = await Promise.all(
        Array.from({ length: LANES }, async () => {
          const { thread } = await ada.run<{ thread: { id: string } }>('create-thread', {
            input: { workspaceId: ada.workspaceId },
          });
          return thread.id;
        }),
      );
      const socket = ada.socket();
      const outcomes: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        // The questions begin one after the other, none waiting for an answer; the plan falls each time behind another one.
        const sends: Promise<Sent>[] = [];
        let fall: Promise<object> | undefined;
        for (const [lane, threadId] of lanes.entries()) {
          sends.push(ada.ask(`Round ${round} lane ${lane}\nsimulate: say Yes.`, [model], threadId));
          if (lane === round % LANES) fall = setPlan(server, { userId: ada.id }, 'FREE');
          await fetch(`${server.url}/health/live`);
        }
        await fall;
        const late = await ada.ask('Too late', [model], lanes[0]);
        expect(late).toMatchObject({ __typename: 'ModelUnavailableError', code: 'PLAN_REQUIRED' });
        for (const sent of await Promise.all(sends)) outcomes.push(await outcomeOf(socket, sent));
        await setPlan(server, { userId: ada.id }, 'PREMIUM');
      }
      await socket.dispose();
      const found = counted(outcomes);
      expect(Object.keys(found).sort()).toEqual(['COMPLETE', 'PLAN_REQUIRED']);

      // Nothing half: a refused question left no row and no call, an accepted one exactly two rows and one call.
      const { db } = server.app;
      const saved = await db
        .select({ role: messages.role, status: messages.status, apiKeyId: messages.apiKeyId })
        .from(messages)
        .innerJoin(threads, eq(threads.id, messages.threadId))
        .where(inArray(threads.id, lanes));
      expect(counted(saved.map(({ role, status }) => `${role} ${status}`))).toEqual({
        'USER COMPLETE': found.COMPLETE,
        'ASSISTANT COMPLETE': found.COMPLETE,
      });
      expect(saved.filter(({ role }) => role === 'ASSISTANT').every(({ apiKeyId }) => apiKeyId)).toBe(true);
      show(
        'plan lowered between check and send',
        `${outcomes.length} sends in ${ROUNDS} rounds: ${JSON.stringify(found)}, ${ROUNDS} sends after it: all PLAN_REQUIRED`,
      );
    },
    RACE_TIMEOUT_MS,
  );
});

/** Fifty streams and their readers share one process here; a busy machine takes its time. */
const CROWD_TIMEOUT_MS = 60_000;
const LANES = 10;
/** A hundred rounds are a thousand questions. */
const ROUNDS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 15);
const RACE_TIMEOUT_MS = 20_000 + ROUNDS * 1_000;

async function outcomeOf(client: Follower, sent: Sent): Promise<string> {
  if (sent.__typename !== 'SendMessagePayload') return String(Reflect.get(sent, 'code'));
  const { end } = await readAnswer(client, sent.answers[0]?.id ?? '');
  return end?.answer.status ?? 'no end';
}

async function addTo(person: Person, owner: object): Promise<AddedKey> {
  const secret = `sk-sim-${crypto.randomUUID()}`;
  return await person.run<AddedKey>('add-api-key', { input: { ...owner, provider: 'OPENAI', secret } });
}

function modelOf(models: readonly NamedModel[]): NamedModel {
  const model = models.find(({ name }) => name === MODEL);
  if (model === undefined) throw new Error(`no ${MODEL} was listed`);
  return model;
}

/** The only key of an owner and the model in a workspace, as a manager of both reads them. */
async function listIn(person: Person, owner: object, workspaceId: string) {
  const key = '{ apiKeys { nodes { id scope status statusMessage isEnabled } } }';
  const [field, id] = Object.entries(owner)[0] ?? [];
  const { data } = await rawBody(
    person,
    `{ owner: ${field === 'teamId' ? 'team' : 'workspace'}(id: "${id}") ${key}
      workspace(id: "${workspaceId}") { models(first: 500) { nodes { name isAvailable unavailableReason paidBy } } } }`,
  );
  const { owner: listed, workspace } = data as {
    owner: { apiKeys: { nodes: { id: string; status: string }[] } };
    workspace: { models: { nodes: { name: string; unavailableReason: string | null; paidBy: string }[] } };
  };
  return {
    apiKey: listed.apiKeys.nodes[0],
    model: workspace.models.nodes.find(({ name }) => name === MODEL),
  };
}

async function whatPlanItNeeds(person: Person, owner: object): Promise<{ requiredPlan: Plan }> {
  const { data } = await rawBody(
    person,
    'mutation ($input: AddApiKeyInput!) { addApiKey(input: $input) { ... on PlanRequiredError { requiredPlan } } }',
    { input: { ...owner, provider: 'OPENAI', secret: 'sk-sim-0123456789' } },
  );
  return data.addApiKey as { requiredPlan: Plan };
}

async function askIn(
  person: Person,
  workspaceId: string,
  models: readonly NamedModel[],
  text: string,
): Promise<Sent> {
  const { thread } = await person.run<{ thread: { id: string } }>('create-thread', {
    input: { workspaceId },
  });
  return await person.ask(text, [modelOf(models)], thread.id);
}

/** The status that the answer to a question ends with. */
async function endOf(person: Person, sent: Sent): Promise<string> {
  const socket = person.socket();
  const outcome = await outcomeOf(socket, sent);
  await socket.dispose();
  return outcome;
}

/** All that is stored of an owner's keys and models, byte for byte. */
async function rowsOf({ app: { db } }: TestServer, owner: object) {
  const tenantId = String(Object.values(owner)[0]);
  const keys = await db.select().from(apiKeys).where(eq(apiKeys.tenantId, tenantId)).orderBy(asc(apiKeys.id));
  const ids = keys.map(({ id }) => id);
  return {
    keys,
    offered: await db
      .select()
      .from(apiKeyModels)
      .where(inArray(apiKeyModels.apiKeyId, ids))
      .orderBy(asc(apiKeyModels.apiKeyId), asc(apiKeyModels.modelId)),
    models: await db.select().from(models).where(eq(models.tenantId, tenantId)).orderBy(asc(models.id)),
  };
}

async function membersOf({ app: { db } }: TestServer, workspaceId: string) {
  return await db
    .select()
    .from(workspaceMembers)
    .where(eq(workspaceMembers.workspaceId, workspaceId))
    .orderBy(asc(workspaceMembers.userId));
}

function counted(words: readonly (string | undefined)[]): Record<string, number> {
  const groups = Map.groupBy(words, (word) => String(word));
  return Object.fromEntries([...groups].map(([word, all]) => [word, all.length]));
}

function show(title: string, text: string): void {
  say(`${title}: ${text}`);
}
