import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { askHeld } from './kit/answer.ts';
import { bodyText, endOfAnswer, type KeyResult, modelsOf } from './kit/api-key.ts';
import { beforeNextTransaction } from './kit/database.ts';
import { captureLog } from './kit/log.ts';
import { nodesOf, type Page } from './kit/page.ts';
import { type Cast, sharedTeam, sharedWorkspace, signUpCast, teamWorkspace } from './kit/people.ts';
import { documentOf, type Person } from './kit/person.ts';
import { answerOf, inWorkspace, readAnswer } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** Before a key is removed its managers can see what that would do, and then it does just that. */

let server: TestServer;
let cast: Cast;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
afterEach(() => vi.restoreAllMocks());
beforeEach(async () => {
  cast = await signUpCast(server);
});

interface Impact {
  models: { id: string }[];
  threadCount: number;
  runningAnswerCount: number;
}

async function impactOf(person: Person, id: string): Promise<Impact> {
  return (await person.run<{ removalImpact: Impact }>('removal-impact', { id })).removalImpact;
}

/** The same in three numbers: models, threads, running answers. */
async function numbers(person: Person, id: string): Promise<number[]> {
  const { models, threadCount, runningAnswerCount } = await impactOf(person, id);
  return [models.length, threadCount, runningAnswerCount];
}

describe('the removal impact of a key', () => {
  test('the removal impact of a key counts what depends on it alone, private threads of others included, and is what then happens', async () => {
    const lab = await sharedWorkspace(cast);
    const admin = inWorkspace(cast.admin, lab);
    const member = inWorkspace(cast.member, lab);
    const openai = await admin.addKey('OPENAI');
    const mistral = await admin.addKey('MISTRAL');
    const [model = { id: '' }] = openai.models;
    const [other = { id: '' }] = mistral.models;

    expect(await numbers(admin, openai.apiKey.id)).toEqual([openai.models.length, 0, 0]);
    await answerOf(member, model);
    const answered = await answerOf(member, model);
    await cast.member.run('update-thread', { input: { id: answered.thread.id, visibility: 'PRIVATE' } });
    await answerOf(member, other);
    // The newest answer counts: this thread has moved on to another provider.
    const moved = await answerOf(member, model);
    const { answers } = await member.ask('And you?', [other], moved.thread.id);
    await endOfAnswer(cast.member, answers[0]?.id ?? '');
    const held = await askHeld(server.simulator, member, model);
    expect(await numbers(admin, mistral.apiKey.id)).toEqual([mistral.models.length, 2, 0]);

    const impact = await impactOf(admin, openai.apiKey.id);
    expect(impact.models.map(({ id }) => id)).toEqual(openai.models.map(({ id }) => id));
    expect([impact.threadCount, impact.runningAnswerCount]).toEqual([3, 1]);

    const removed = await admin.run<KeyResult>('remove-api-key', { input: { id: openai.apiKey.id } });
    expect(removed.models.map(({ id }) => id)).toEqual(impact.models.map(({ id }) => id));
    await endOfAnswer(cast.member, held.answerId);
    expect(await readAnswer(cast.member, held.answerId)).toMatchObject({
      status: 'FAILED',
      error: { code: 'KEY_REMOVED' },
    });
    const unavailable = (await modelsOf(member)).filter(({ isAvailable }) => !isAvailable);
    expect(unavailable.map(({ id }) => id).sort()).toEqual(impact.models.map(({ id }) => id).sort());
    const threads = await member.run<{ threads: Page<{ canGenerate: boolean }> }>('threads', {
      workspaceId: lab,
    });
    expect(nodesOf(threads.threads).filter(({ canGenerate }) => !canGenerate)).toHaveLength(3);
  });

  test('the removal impact of a key is little while another usable key offers the same', async () => {
    const ada = cast.stranger;
    const first = (await ada.addKey('OPENAI')).apiKey.id;
    const { apiKey, models } = await ada.addKey('OPENAI');
    await answerOf(ada, models[0] ?? { id: '' });
    expect(await numbers(ada, first)).toEqual([0, 0, 0]);
    await ada.run('update-api-key', { input: { id: apiKey.id, isEnabled: false } });
    expect(await numbers(ada, first)).toEqual([models.length, 1, 0]);
    // A disabled key is available to no person, so no person loses it.
    expect(await numbers(ada, apiKey.id)).toEqual([0, 0, 0]);
  });

  test('removing a key of a team affects all workspaces of the team that have no key of their own for the model', async () => {
    const teamId = await sharedTeam(cast);
    const [lab, office] = [await teamWorkspace(cast, teamId), await teamWorkspace(cast, teamId)];
    const input = { teamId, provider: 'OPENAI', secret: `sk-sim-${crypto.randomUUID()}` };
    const { apiKey, models } = await cast.owner.run<KeyResult>('add-api-key', { input });
    const own = await inWorkspace(cast.admin, lab).addKey('OPENAI');
    const askedFor = models[0] ?? { id: '' };
    await answerOf(inWorkspace(cast.member, lab), askedFor);
    await answerOf(inWorkspace(cast.member, office), askedFor);
    const all = models.length;
    expect(await numbers(cast.owner, apiKey.id)).toEqual([all, 1, 0]);
    expect(await numbers(cast.owner, own.apiKey.id)).toEqual([0, 0, 0]);
    await cast.admin.run('update-api-key', { input: { id: own.apiKey.id, isEnabled: false } });
    expect(await numbers(cast.owner, apiKey.id)).toEqual([all, 2, 0]);
    await cast.owner.run('update-api-key', { input: { id: apiKey.id, isEnabled: false } });
    await cast.admin.run('update-api-key', { input: { id: own.apiKey.id, isEnabled: true } });
    expect(await numbers(cast.owner, own.apiKey.id)).toEqual([all, 1, 0]);
  });
});

describe('removing a key', () => {
  /** The database ends this many transactions because they and others waited for each other. */
  function endTransactions(times: number): void {
    const transaction = vi.spyOn(server.app.db, 'transaction');
    const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01' });
    for (let time = 0; time < times; time++)
      transaction.mockRejectedValueOnce(new Error('Failed query', { cause: deadlock }));
  }

  test('removing a key just before an answer begins with it leaves nothing behind, and says so in words', async () => {
    const ada = cast.stranger;
    const { apiKey, models } = await ada.addKey('OPENAI');
    const { thread, answers } = await ada.ask('Hello?', models.slice(0, 1));
    await endOfAnswer(ada, answers[0]?.id ?? '');
    beforeNextTransaction(server.app, () => ada.run('remove-api-key', { input: { id: apiKey.id } }));
    expect(await ada.ask('Hello again?', models.slice(0, 1), thread.id)).toMatchObject({
      __typename: 'ModelUnavailableError',
      code: 'NO_KEY',
    });
    const { messages } = await ada.run<{ messages: Page<object> }>('thread', { id: thread.id });
    expect(messages.edges).toHaveLength(2);
  });

  test('removing a key is tried again when the database gave it up for the save of an answer, and not for ever', async () => {
    const ada = cast.stranger;
    const { apiKey } = await ada.addKey('OPENAI');
    const remove = () => bodyText(ada, documentOf('remove-api-key'), { input: { id: apiKey.id } });
    captureLog();
    endTransactions(4);
    expect(await remove()).toContain('OVERLOADED');
    endTransactions(2);
    expect(await remove()).toContain(`"removedId":"${apiKey.id}"`);
  });
});
