import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { threadEvents } from '../src/follow/thread.ts';
import { type Follower, TRANSPORTS } from './kit/answer.ts';
import { eventually } from './kit/eventually.ts';
import { change, letIn, newTeam, newWorkspace } from './kit/people.ts';
import { documentOf, type NamedModel, type Person } from './kit/person.ts';
import { inWorkspace, newThread, readAnswer } from './kit/place.ts';
import { say } from './kit/say.ts';
import { IS_CARRIED, REVOKED_WITHIN_MS, SERVERS, startTestServer, type TestServer } from './kit/server.ts';
import { recordStatements } from './kit/statements.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterEach(() => vi.restoreAllMocks());

afterAll(() => server?.close());

/** The longest time for which a person who lost a right may still be sent events, or have answers written. */
const PROMISED_MS = REVOKED_WITHIN_MS;

type Transport = keyof typeof TRANSPORTS;

/** What one subscription brought: names of events or codes of errors, and when. */
interface Recording {
  heard: { name: string; atMs: number }[];
  /** When it ended, once it has. */
  ended: Promise<number>;
  isOver: boolean;
}

function record(client: Follower, operation: string, variables: Record<string, unknown>): Recording {
  const recording: Recording = { heard: [], ended: read(), isOver: false };
  async function read(): Promise<number> {
    const results = client.iterate({ query: documentOf(operation), variables });
    try {
      for await (const result of results)
        recording.heard.push({ name: nameOf(result), atMs: performance.now() });
    } catch {
      recording.heard.push({ name: 'closed', atMs: performance.now() });
    }
    recording.isOver = true;
    return performance.now();
  }
  return recording;
}

function nameOf({ data, errors }: { data?: unknown; errors?: unknown }): string {
  if (errors !== undefined) return (errors as { extensions: { code: string } }[])[0]?.extensions.code ?? '';
  return (Object.values(data as object)[0] as { __typename: string }).__typename;
}

async function begun(...recordings: Recording[]): Promise<void> {
  await eventually('the first events', () => recordings.every(({ heard }) => heard.length > 0));
}

/** An answer that goes on for longer than any test, a token at a time. */
async function askEndless(person: Person, model: NamedModel, threadId: string, paceMs = 10) {
  const question = `Question ${crypto.randomUUID()}`;
  const sent = await person.ask(`${question}\nsimulate: tokens=100000 pace=${paceMs}`, [model], threadId);
  const call = await server.simulator.waitForRequest(({ body }) => body.includes(question));
  return { answerId: sent.answers[0]?.id ?? '', call };
}

type LastKeyUse = Awaited<ReturnType<typeof askEndless>>;

/**
 * Two people at work in a team's workspace, each in a thread that both see. One of them follows all there is to follow, and
 * nothing of theirs happens in the thread that they follow.
 */
async function setScene(transport: Transport) {
  const [olga, mia] = await Promise.all([server.signUp('Olga'), server.signUp('Mia')]);
  const teamId = await newTeam(olga);
  await letIn(olga, teamId, mia, 'MEMBER');
  const workspaceId = await newWorkspace(olga, teamId);
  await change(olga, 'add-member', { workspaceId, userId: mia.id, role: 'MEMBER' });
  const model = (await inWorkspace(olga, workspaceId).addKey()).models[0] as NamedModel;
  const [threadId, ownThreadId] = [await newThread(olga, workspaceId), await newThread(olga, workspaceId)];
  const [hers, own] = [await askEndless(olga, model, threadId), await askEndless(mia, model, ownThreadId)];
  const client = TRANSPORTS[transport](mia);
  const follows = {
    answer: record(client, 'answer-events', { answerId: hers.answerId }),
    ownAnswer: record(client, 'answer-events', { answerId: own.answerId }),
    thread: record(client, 'thread-events', { threadId }),
    workspace: record(client, 'workspace-events', { workspaceId }),
  };
  await begun(...Object.values(follows));
  const threadIds = [threadId, ownThreadId];
  return { olga, mia, teamId, workspaceId, threadIds, model, hers, own, client, follows };
}

type Scene = Awaited<ReturnType<typeof setScene>>;

/** What each subscription ends with; null for one that goes on. */
type Ends = Record<keyof Scene['follows'], string | null>;

const AWAY: Ends = {
  answer: 'NOT_FOUND',
  ownAnswer: 'NOT_FOUND',
  thread: 'ThreadRemoved',
  workspace: 'NOT_FOUND',
};
const OUT_OF_THREAD: Ends = { ...AWAY, workspace: null };

const LOSSES: [string, (scene: Scene) => Promise<unknown>, Ends][] = [
  [
    'removed from the workspace',
    ({ olga, mia, workspaceId }) => change(olga, 'remove-member', { workspaceId, userId: mia.id }),
    AWAY,
  ],
  [
    'removed from the team',
    ({ olga, mia, teamId }) => change(olga, 'remove-member', { teamId, userId: mia.id }),
    AWAY,
  ],
  [
    'out of a workspace they left',
    ({ mia, workspaceId }) => change(mia, 'leave-workspace', { id: workspaceId }),
    AWAY,
  ],
  [
    'shut out of threads that become PRIVATE',
    ({ olga, threadIds }) =>
      inEach(threadIds, (id) => change(olga, 'update-thread', { id, visibility: 'PRIVATE' })),
    OUT_OF_THREAD,
  ],
  [
    'following threads that are deleted',
    ({ olga, threadIds }) => inEach(threadIds, (id) => change(olga, 'delete-thread', { id })),
    OUT_OF_THREAD,
  ],
  [
    'in a workspace that is deleted',
    ({ olga, workspaceId }) => change(olga, 'delete-workspace', { id: workspaceId }),
    AWAY,
  ],
  [
    'gone with their account',
    async ({ mia }) => {
      const response = await fetch(`${mia.url}/api/auth/delete-user`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${mia.token}`,
          origin: mia.url,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ password: 'correct horse battery' }),
      });
      return { __typename: response.ok ? 'Payload' : await response.text() };
    },
    { answer: 'closed', ownAnswer: 'closed', thread: 'closed', workspace: 'closed' },
  ],
];

/** Does it to one after the other and gives the last result. */
async function inEach<Result>(ids: readonly string[], act: (id: string) => Promise<Result>) {
  let result: Result | undefined;
  for (const id of ids) result = await act(id);
  return result;
}

describe.each(Object.keys(TRANSPORTS) as Transport[])('over %s, a person who is', (transport) => {
  test.each(LOSSES)(
    '%s hears no more of it within a second, and is not written for',
    async (name, lose, ends) => {
      const scene = await setScene(transport);
      const result = await lose(scene);
      const lostAtMs = performance.now();
      expect(result).toMatchObject({ __typename: expect.stringMatching(/Payload$/) });

      expect(await scene.own.call.closed).toBe('left');
      const stoppedMs = performance.now() - lostAtMs;
      const after: Record<string, number> = {};
      for (const [follow, end] of Object.entries(ends) as [keyof Ends, string | null][]) {
        const recording = scene.follows[follow];
        if (end === null) continue;
        after[follow] = (await recording.ended) - lostAtMs;
        // Without a bus the own answer may have ended before.
        if (IS_CARRIED) expect([follow, recording.heard.at(-1)?.name]).toEqual([follow, end]);
        expect(after[follow]).toBeLessThan(PROMISED_MS);
      }
      expect(stoppedMs).toBeLessThan(PROMISED_MS);
      show(`${transport}, ${name}`, { ...after, 'own answer stopped': stoppedMs });

      for (const follow of Object.keys(ends) as (keyof Ends)[])
        expect(scene.follows[follow].isOver).toBe(ends[follow] !== null);
      await scene.client.dispose();
      await stop(scene.olga, scene.hers);
    },
  );

  test.runIf(SERVERS === 1)(
    'a removed member is sent nothing more, even if the removal was not announced',
    async () => {
      const { olga, mia, workspaceId, own, hers, client, follows } = await setScene(transport);
      vi.spyOn(server.app.changes, 'announce').mockImplementation(() => {});
      await change(olga, 'remove-member', { workspaceId, userId: mia.id });
      expect(await own.call.closed).toBe('left');
      const now = performance.now.bind(performance);
      vi.spyOn(performance, 'now').mockImplementation(() => now() + 5_001);
      await Promise.all([follows.answer.ended, follows.thread.ended]);
      expect(follows.answer.heard.at(-1)?.name).toBe('NOT_FOUND');
      expect(follows.thread.heard.at(-1)?.name).toBe('ThreadRemoved');
      await client.dispose();
      await stop(olga, hers);
    },
  );
});

test.each(Object.keys(TRANSPORTS) as Transport[])(
  'an answer whose author becomes a VIEWER stops and says why, and all else goes on, over %s',
  async (transport) => {
    const { olga, mia, workspaceId, own, hers, client, follows } = await setScene(transport);
    await change(olga, 'update-member', { workspaceId, userId: mia.id, role: 'VIEWER' });
    const changedAtMs = performance.now();
    expect(await own.call.closed).toBe('left');
    const stoppedMs = (await follows.ownAnswer.ended) - changedAtMs;
    show(`${transport}, made a VIEWER`, { 'own answer stopped': stoppedMs });
    expect(stoppedMs).toBeLessThan(PROMISED_MS);
    expect(follows.ownAnswer.heard.at(-1)?.name).toBe('AnswerFailed');
    for (const reader of [olga, mia])
      expect(await readAnswer(reader, own.answerId)).toMatchObject({
        status: 'FAILED',
        error: {
          code: 'NOT_PERMITTED',
          message: 'The person who asked for this answer may no longer write here. The text so far is kept.',
          fixableBy: 'WORKSPACE_ADMIN',
        },
      });

    const heard = follows.answer.heard.length;
    await eventually('more of the other answer', () => follows.answer.heard.length > heard);
    const isTold = () => follows.workspace.heard.some(({ name }) => name === 'WorkspaceUpdated');
    await eventually('the other role', isTold);
    expect([follows.thread.isOver, follows.workspace.isOver]).toEqual([false, false]);
    await client.dispose();
    await stop(olga, hers);
  },
);

test.runIf(SERVERS === 1)(
  'events that a slow reader has yet to read are not sent once they may not see them',
  async () => {
    const [olga, mia] = await Promise.all([server.signUp('Olga'), server.signUp('Mia')]);
    const workspaceId = await newWorkspace(olga);
    await letIn(olga, workspaceId, mia, 'MEMBER');
    const { models } = await inWorkspace(olga, workspaceId).addKey();
    const threadId = await newThread(olga, workspaceId);
    const viewer = { id: mia.id, email: mia.email, name: 'Mia', sessionId: 'ses_none', address: '127.0.0.1' };
    const events = await threadEvents(server.app, viewer, threadId);
    await events.next();
    await olga.ask('simulate: say Yes.', models.slice(0, 3), threadId);
    expect((await events.next()).value).toMatchObject({ type: 'message-added', message: { role: 'USER' } });
    await change(olga, 'remove-member', { workspaceId, userId: mia.id });
    expect((await events.next()).value).toEqual({ type: 'thread-removed', removedId: threadId });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  },
);

// The heartbeats of several servers never end.
test.runIf(SERVERS === 1)('between two looks a token asks nothing of the database', async () => {
  const { olga, mia, follows, client, own, hers } = await setScene('WebSocket');
  const { heard } = follows.thread;
  await eventually('that everything has settled', () => heard.length > 20);
  using recorded = recordStatements();
  const before = heard.length;
  await eventually('a hundred events', () => heard.length > before + 100);
  // A follower looks once every five seconds: three that tokens wake, within the second or so that this takes. How often
  // all sessions are looked at and text is saved depends on the time alone.
  const looks = recorded.texts.filter((text) => !/watched\(id\)|skip locked/.test(text));
  expect(looks.length).toBeLessThanOrEqual(3);
  await client.dispose();
  await stop(mia, own);
  await stop(olga, hers);
});

describe('many at once', { timeout: 60_000 }, () => {
  let olga: Person;
  let people: Person[];
  let workspaceId: string;

  beforeAll(async () => {
    olga = await server.signUp('Olga');
    workspaceId = await newWorkspace(olga);
    people = [];
    // One after the other: what many sign-ups at once cost is not what this is about.
    for (let number = 1; number <= COUNT; number++) {
      const person = await server.signUp('Mia');
      await letIn(olga, workspaceId, person, 'MEMBER');
      people.push(person);
    }
  });

  test('a key removed while they are all being answered ends each answer by that name', async () => {
    const { apiKey, models } = await inWorkspace(olga, workspaceId).addKey();
    const asked = await Promise.all(
      people.map(async (person, index) => {
        const own = await newThread(person, workspaceId);
        const { answerId, call } = await askEndless(person, models[0] as NamedModel, own, 100);
        const client = TRANSPORTS[transportOf(index)](person);
        return { person, answerId, call, client, events: record(client, 'answer-events', { answerId }) };
      }),
    );
    await begun(...asked.map(({ events }) => events));
    await change(olga, 'remove-api-key', { id: apiKey.id });
    const removedAtMs = performance.now();
    const ended = await Promise.all(asked.map(async ({ events }) => (await events.ended) - removedAtMs));
    const lasts = asked.map(({ events }) => events.heard.at(-1)?.name);
    expect(lasts).toEqual(people.map(() => 'AnswerFailed'));
    const answers = await Promise.all(asked.map(({ person, answerId }) => readAnswer(person, answerId)));
    expect(new Set(answers.map(({ error }) => error?.code))).toEqual(new Set(['KEY_REMOVED']));
    for (const { call } of asked) expect(await call.closed).toBe('left');
    showSpread(`${COUNT} answers whose key was removed, ended`, ended);
    expect(Math.max(...ended)).toBeLessThan(PROMISED_MS);
    for (const { client } of asked) await client.dispose();
  });

  test('members removed while they all follow hear nothing more, and are not written for', async () => {
    const { models } = await inWorkspace(olga, workspaceId).addKey();
    const model = models[0] as NamedModel;
    const threadId = await newThread(olga, workspaceId);
    const hers = await askEndless(olga, model, threadId, 50);
    const followers = await Promise.all(
      people.map(async (person, index) => {
        const own = await askEndless(person, model, await newThread(person, workspaceId), 100);
        const client = TRANSPORTS[transportOf(index)](person);
        const thread = record(client, 'thread-events', { threadId });
        const workspace = record(client, 'workspace-events', { workspaceId });
        return { person, own, client, thread, workspace };
      }),
    );
    await begun(...followers.flatMap(({ thread, workspace }) => [thread, workspace]));

    const removed = await Promise.all(
      followers.map(async ({ person, thread, workspace, own }) => {
        await change(olga, 'remove-member', { workspaceId, userId: person.id });
        const atMs = performance.now();
        const [threadEnd, workspaceEnd] = await Promise.all([thread.ended, workspace.ended]);
        expect(await own.call.closed).toBe('left');
        return { thread: threadEnd - atMs, workspace: workspaceEnd - atMs, answer: performance.now() - atMs };
      }),
    );
    for (const { thread, workspace } of followers) {
      expect(thread.heard.at(-1)?.name).toBe('ThreadRemoved');
      expect(workspace.heard.at(-1)?.name).toBe('NOT_FOUND');
    }
    for (const follow of ['thread', 'workspace', 'answer'] as const) {
      const afterMs = removed.map((times) => times[follow]);
      showSpread(`${COUNT} members removed while a thread streams, ${follow} ended`, afterMs);
      expect(Math.max(...afterMs)).toBeLessThan(PROMISED_MS);
    }
    for (const { client } of followers) await client.dispose();
    await stop(olga, hers);
  });
});

/** Enough to meet each other; `LATCHKEY_TEST_CROWD` for more. */
const COUNT = Number(process.env.LATCHKEY_TEST_CROWD ?? 16);

function transportOf(index: number): Transport {
  return index % 2 === 0 ? 'WebSocket' : 'server-sent events';
}

/** Ends an endless answer, if it is still there, so that it does not keep the machine busy. */
async function stop(person: Person, { answerId, call }: LastKeyUse): Promise<void> {
  await change(person, 'stop-answer', { answerId });
  await call.closed;
}

function show(title: string, timesMs: Record<string, number>): void {
  const times = Object.entries(timesMs).map(([what, ms]) => `${what} ${Math.round(ms)} ms`);
  say(`${title}: ${times.join(', ')} after the response`);
}

function showSpread(title: string, timesMs: readonly number[]): void {
  const sorted = timesMs.toSorted((left, right) => left - right).map(Math.round);
  const [least, median, most] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  say(`${title}: ${least} to ${most} ms after the response, half of them within ${median} ms`);
}
