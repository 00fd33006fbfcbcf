import { eq } from 'drizzle-orm';
import type { Client } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { messages } from '../src/db/tables/thread.ts';
import { type Simulator, startSimulator } from '../src/simulator/simulator.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { type Event, follow, isEnd } from './kit/answer.ts';
import { endOfAnswer } from './kit/api-key.ts';
import { readAttempts } from './kit/attempts.ts';
import { letIn, newTeamAndWorkspace, newWorkspace } from './kit/people.ts';
import type { NamedModel, Person } from './kit/person.ts';
import { inWorkspace } from './kit/place.ts';
import { OPERATOR_TOKEN, setPlan } from './kit/plan.ts';
import { IS_CARRIED, startTestServer, type TestServer } from './kit/server.ts';
import { startTurningProvider, type TurningProvider, turningSecret } from './kit/turning-provider.ts';

/** What people see while another key of the same tenant goes on with an answer, and what stops that. */

let simulator: Simulator;
let server: TestServer;
let provider: TurningProvider;
let ada: Person;
let client: Client;

beforeAll(async () => {
  simulator = await startSimulator({ paceMs: 0 });
  provider = await startTurningProvider(simulator);
  server = await startTestServer({ ...provider.env, LATCHKEY_OPERATOR_TOKEN: OPERATOR_TOKEN }, { simulator });
  liftCheckLimits(server);
});
afterAll(async () => {
  await server.close();
  await provider[Symbol.asyncDispose]();
  await simulator.close();
});
beforeEach(async () => {
  ada = await server.signUp('Ada');
  client = ada.socket();
  return () => client.dispose();
});

/** A key that was added: its label is its place in the order, from 1. */
interface Key {
  id: string;
  secret: string;
}

/** Adds OpenAI keys that will have these faults when they are asked, `good` for none. */
async function addKeys(manager: Person, ...faults: string[]) {
  const keys: Key[] = [];
  let models: NamedModel[] = [];
  for (const [index, fault] of faults.entries()) {
    const secret = fault === 'good' ? `sk-sim-good-${crypto.randomUUID()}` : turningSecret(fault);
    const added = await manager.addKey('OPENAI', secret, { label: `${index + 1}` });
    keys.push({ id: added.apiKey.id, secret });
    models = added.models;
  }
  // One that does not reason: reasoning would come before the first character.
  return { keys, model: models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' } };
}

async function ask(person: Person, model: { id: string }, directive = '') {
  const question = `Question ${crypto.randomUUID()}`;
  const { answers } = await person.ask(`${question}\n${directive}`, [model]);
  return { question, answerId: answers[0]?.id ?? '' };
}

/** Asks, with a key held by the simulator before its first character, and waits until the provider has been asked with that one. */
async function askHeldBy(person: Person, model: { id: string }, key: Key | undefined) {
  const asked = await ask(person, model, 'simulate: held tokens=4');
  return { ...asked, call: await callWith(asked.question, key) };
}

function callWith(question: string, key: Key | undefined) {
  const authorization = `Bearer ${key?.secret}`;
  return simulator.waitForRequest(
    ({ body, headers }) => body.includes(question) && headers.authorization === authorization,
  );
}

/** The answer as those who manage the keys read it, in one line. */
async function outcome(person: Person, answerId: string): Promise<string> {
  const { status, error, attempts } = await readAttempts(person, answerId);
  const tried = attempts.map((attempt) => `${attempt.apiKey?.label} ${attempt.error?.code ?? 'none'}`);
  return `${[status, error?.code].filter((word) => word !== undefined).join(' ')}: ${tried.join(', ')}`;
}

async function firstEvent(person: Person, answerId: string): Promise<Event> {
  const socket = person.socket();
  const events = follow(socket, 'answer-events', { answerId });
  const { value } = await events.next();
  await events.return(undefined);
  await socket.dispose();
  return value as Event;
}

describe('an answer', () => {
  test('an answer that needs no other key has one attempt, and one of an earlier version has none', async () => {
    const { model } = await addKeys(ada, 'good', 'good');
    const beganAtMs = Date.now() - 1;
    const { answerId } = await ask(ada, model);
    await endOfAnswer(ada, answerId);
    expect(await outcome(ada, answerId)).toBe('COMPLETE: 1 none');
    const { attempts } = await readAttempts(ada, answerId);
    const startedAtMs = new Date(attempts[0]?.startedAt ?? '').getTime();
    expect(startedAtMs).toBeGreaterThanOrEqual(beganAtMs);
    expect(startedAtMs).toBeLessThanOrEqual(Date.now());

    await server.app.db.update(messages).set({ attempts: [] }).where(eq(messages.id, answerId));
    expect(await outcome(ada, answerId)).toBe('COMPLETE: ');
  });

  // Without a bus servers do not hear of each other's retries.
  test.runIf(IS_CARRIED)(
    'an answer that goes on with another key says so to everybody, and only to managers which keys they are',
    async () => {
      const mia = await server.signUp('Mia');
      const workspaceId = await newWorkspace(ada);
      await letIn(ada, workspaceId, mia, 'MEMBER');
      const [manager, member] = [inWorkspace(ada, workspaceId), inWorkspace(mia, workspaceId)];
      const { keys, model } = await addKeys(manager, 'quota', 'good');
      const { answerId, call } = await askHeldBy(member, model, keys[1]);
      expect(await firstEvent(member, answerId)).toMatchObject({
        __typename: 'AnswerRetrying',
        attempt: 1,
        isOtherKey: true,
        error: {
          code: 'QUOTA_EXCEEDED',
          message:
            'The OpenAI key for this model cannot be used at the moment. Choose another model, or ask the person who manages the key.',
        },
      });
      expect(await firstEvent(manager, answerId)).toMatchObject({
        error: {
          message: 'The account behind this key has no credit or quota left. Add some at OpenAI.',
        },
      });
      expect(await outcome(manager, answerId)).toBe('WRITING: 1 QUOTA_EXCEEDED, 2 none');
      expect(await outcome(member, answerId)).toBe('WRITING: undefined QUOTA_EXCEEDED, undefined none');
      expect((await readAttempts(manager, answerId)).apiKey).toEqual({ label: '2' });
      const running = [];
      for (const { id } of keys) {
        const { removalImpact } = await manager.run<{ removalImpact: { runningAnswerCount: number } }>(
          'removal-impact',
          { id },
        );
        running.push(removalImpact.runningAnswerCount);
      }
      expect(running).toEqual([0, 1]);
      call.release();
      await endOfAnswer(member, answerId);
      expect(await outcome(manager, answerId)).toBe('COMPLETE: 1 QUOTA_EXCEEDED, 2 none');
    },
  );

  test('an answer whose keys all fail says what passes by itself, else what is wrong with the first key', async () => {
    const outcomes: string[] = [];
    for (const faults of [
      ['wrong', 'limited'],
      ['quota', 'wrong'],
      ['wrong', 'long'],
    ]) {
      const person = await server.signUp();
      const { model } = await addKeys(person, ...faults);
      const { answerId } = await ask(person, model);
      await endOfAnswer(person, answerId);
      const { error } = await readAttempts(person, answerId);
      outcomes.push(`${await outcome(person, answerId)} → ${error?.fixableBy}`);
    }
    expect(outcomes).toEqual([
      'FAILED RATE_LIMITED: 1 INVALID_KEY, 2 RATE_LIMITED → YOU',
      'FAILED QUOTA_EXCEEDED: 1 QUOTA_EXCEEDED, 2 INVALID_KEY → KEY_MANAGER',
      'FAILED CONTEXT_TOO_LONG: 1 INVALID_KEY, 2 CONTEXT_TOO_LONG → YOU',
    ]);
  });

  test('an answer never goes on with the key of another tenant', async () => {
    const { teamId, workspaceId } = await newTeamAndWorkspace(ada);
    const place = inWorkspace(ada, workspaceId);
    const input = { teamId, provider: 'OPENAI', secret: `sk-sim-good-${crypto.randomUUID()}` };
    await ada.run('add-api-key', { input });
    await addKeys(ada, 'good');
    const { model } = await addKeys(place, 'quota');
    const { answerId, question } = await ask(place, model);
    await endOfAnswer(ada, answerId);
    expect(await outcome(ada, answerId)).toBe('FAILED QUOTA_EXCEEDED: 1 QUOTA_EXCEEDED');
    expect((await readAttempts(ada, answerId)).paidBy).toBe('WORKSPACE');
    expect(provider.secretsFor(question)).toHaveLength(1);
  });
});

// Without a bus servers do not hear of each other's retries.
describe.runIf(IS_CARRIED)('a key that changes meanwhile', () => {
  test.each([
    { how: 'removed', change: (id: string) => ada.run('remove-api-key', { input: { id } }) },
    {
      how: 'switched off',
      change: (id: string) => ada.run('update-api-key', { input: { id, isEnabled: false } }),
    },
  ])('a key that is $how while the first one is tried again is left out', async ({ change }) => {
    const { keys, model } = await addKeys(ada, 'overloaded', 'good', 'good');
    const { answerId, question } = await ask(ada, model);
    for await (const event of follow(client, 'answer-events', { answerId })) {
      if (event.__typename === 'AnswerRetrying' && event.attempt === 1) await change(keys[1]?.id ?? '');
      if (isEnd(event)) break;
    }
    expect(await outcome(ada, answerId)).toBe('COMPLETE: 1 PROVIDER_OVERLOADED, 3 none');
    expect(provider.secretsFor(question)).not.toContain(keys[1]?.secret);
  });

  test('a key that is no longer in the plan is left out', async () => {
    const { model } = await addKeys(ada, 'overloaded', 'good');
    const { answerId, question } = await ask(ada, model);
    for await (const event of follow(client, 'answer-events', { answerId }))
      if (event.__typename === 'AnswerRetrying') await setPlan(server, { userId: ada.id }, 'FREE');
    expect(await outcome(ada, answerId)).toMatch(/^FAILED PLAN_REQUIRED: 1 PLAN_REQUIRED$/);
    expect(provider.secretsFor(question)).toHaveLength(1);
  });

  test.each(['remove-api-key', 'update-api-key'])(
    'a key that is asked when %s takes it away is followed by the next one before the first character, and by none after it',
    async (operation) => {
      const take = (key: Key | undefined) =>
        ada.run(operation, {
          input: { id: key?.id, ...(operation === 'update-api-key' && { isEnabled: false }) },
        });
      const { keys, model } = await addKeys(ada, 'good', 'good', 'good');
      const { answerId, question, call } = await askHeldBy(ada, model, keys[0]);
      await take(keys[0]);
      expect(await call.closed).toBe('left');
      const second = await callWith(question, keys[1]);
      expect(await firstEvent(ada, answerId)).toMatchObject({
        isOtherKey: true,
        error: { code: 'KEY_REMOVED' },
      });
      second.release(1);
      expect(await firstEvent(ada, answerId)).toMatchObject({ __typename: 'AnswerDelta' });
      await take(keys[1]);
      await endOfAnswer(ada, answerId);
      const { status, error, text, attempts } = await readAttempts(ada, answerId);
      expect([status, error?.code]).toEqual(['FAILED', 'KEY_REMOVED']);
      expect(text).not.toBe('');
      expect(attempts).toHaveLength(2);
      expect(provider.secretsFor(question)).toEqual([keys[0]?.secret, keys[1]?.secret]);
    },
  );

  test('a key that is removed ends the answer that has no other', async () => {
    const { keys, model } = await addKeys(ada, 'quota', 'good');
    const { answerId, call } = await askHeldBy(ada, model, keys[1]);
    await ada.run('remove-api-key', { input: { id: keys[1]?.id } });
    expect(await call.closed).toBe('left');
    await endOfAnswer(ada, answerId);
    expect((await readAttempts(ada, answerId)).error?.code).toBe('QUOTA_EXCEEDED');
  });
});

describe('a person who stops an answer', () => {
  test('a person who stops an answer while another key is asked ends it, and no further key is asked', async () => {
    const { keys, model } = await addKeys(ada, 'quota', 'good', 'good');
    const { answerId, question, call } = await askHeldBy(ada, model, keys[1]);
    await ada.run('stop-answer', { input: { answerId } });
    expect(await call.closed).toBe('left');
    expect(await outcome(ada, answerId)).toBe('STOPPED: 1 QUOTA_EXCEEDED, 2 none');
    expect(provider.secretsFor(question)).toHaveLength(2);
  });

  test.runIf(IS_CARRIED)(
    'a person who stops an answer while its key is tried again ends it, and no other key is asked',
    async () => {
      const { model } = await addKeys(ada, 'overloaded', 'good');
      const { answerId, question } = await ask(ada, model);
      for await (const event of follow(client, 'answer-events', { answerId }))
        if (event.__typename === 'AnswerRetrying') await ada.run('stop-answer', { input: { answerId } });
      expect(await outcome(ada, answerId)).toBe('STOPPED: 1 none');
      expect(provider.secretsFor(question)).toHaveLength(1);
    },
  );
});
