import { expect, test } from 'vitest';
import type { FleetTimes } from '../src/fleet/times.ts';
import { applyDelta, askHeld, type Event, follow, type Held, readAnswer, TRANSPORTS } from './kit/answer.ts';
import { beforeNextStatement } from './kit/database.ts';
import { eventually } from './kit/eventually.ts';
import { faster } from './kit/faster.ts';
import { startFleet, through } from './kit/fleet.ts';
import { endOf, expectFollowedElsewhere, readMessage } from './kit/followed-elsewhere.ts';
import { type MemoryBusHub, startMemoryBus } from './kit/memory-bus.ts';
import { change, letIn, newWorkspace } from './kit/people.ts';
import { newThread } from './kit/thread.ts';

const transports = Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[];

/** What carries between the servers. */
const CARRIERS = { 'a bus': startMemoryBus, 'the database alone': () => undefined };
const carriers = Object.keys(CARRIERS) as (keyof typeof CARRIERS)[];

/** A fleet of two, a person at both, and an answer that the first one writes token by token. */
async function startHeld({ times, hub }: { times?: FleetTimes; hub?: MemoryBusHub | undefined } = {}) {
  const fleet = await startFleet(2, { ...(times && { times }), hub });
  const [a, b] = fleet.servers;
  const ada = await a.signUp();
  const { models } = await ada.addKey();
  const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
  const adaAtB = await through(b, ada);
  const asked = await askHeld(fleet.simulator, ada, model, { directive: 'tokens=40' });
  return {
    fleet,
    a,
    b,
    ada,
    adaAtB,
    model,
    ...asked,
    [Symbol.asyncDispose]: () => fleet[Symbol.asyncDispose](),
  };
}

test.for(carriers.flatMap((carrier) => transports.map((transport) => [transport, carrier] as const)))(
  'an answer of one server is followed on another, delta by delta, over %s and %s',
  { timeout: 60_000 },
  async ([transport, carrier]) => {
    await using held = await startHeld({ hub: CARRIERS[carrier]() });
    await expectFollowedElsewhere(held, transport);
  },
);

test('an answer of one server is stopped through another', { timeout: 30_000 }, async () => {
  await using held = await startHeld();
  const { answerId, adaAtB, call } = held;
  call.release(3);
  const beganAtMs = performance.now();
  const stopped = await adaAtB.run<{ answer: { status: string } }>('stop-answer', { input: { answerId } });
  expect(stopped.answer.status).toBe('STOPPED');
  expect(performance.now() - beganAtMs).toBeLessThan(3_000);
  expect(await call.closed).toBe('left');
});

test('an answer that ends while a follower of its thread begins is not shown as being written, and its end is sent', {
  timeout: 30_000,
}, async () => {
  await using held = await startHeld();
  const { b, adaAtB, answerId, threadId, call } = held;
  beforeNextStatement(b.app.db, /as known\(id text/, async () => {
    call.release();
    await eventually('the end', async () => (await readMessage(held.ada, answerId)).status === 'COMPLETE');
  });
  const client = adaAtB.socket();
  const events = follow(client, 'thread-events', { threadId });
  const snapshot = (await events.next()).value as Event;
  expect(snapshot.writing).toEqual([]);
  const end = (await events.next()).value as Event;
  expect(end).toMatchObject({ __typename: 'AnswerFinished', answer: { id: answerId, status: 'COMPLETE' } });
  await client.dispose();
});

test.for(carriers)(
  'an answer that goes on with another key is followed on another server, and ends there when that key is removed, over %s',
  { timeout: 30_000 },
  async (carrier) => {
    const hub = CARRIERS[carrier]();
    await using fleet = await startFleet(2, { hub });
    const [a, b] = fleet.servers;
    const ada = await a.signUp();
    await ada.addKey('OPENAI', 'sk-sim-quota-0123456789');
    const secret = `sk-sim-good-${crypto.randomUUID()}`;
    const { apiKey, models } = await ada.addKey('OPENAI', secret);
    const question = `Question ${crypto.randomUUID()}`;
    // It does not reason, so nothing comes before the first character.
    const model = models.filter(({ name }) => name === 'gpt-4.1-nano');
    const sent = await ada.ask(`${question}\nsimulate: held tokens=4`, model);
    const answerId = sent.answers[0]?.id ?? '';
    const call = await fleet.simulator.waitForRequest(
      ({ body, headers }) => body.includes(question) && headers.authorization === `Bearer ${secret}`,
    );
    const adaAtB = await through(b, ada);
    const client = adaAtB.socket();
    const events = follow(client, 'answer-events', { answerId });
    // The database alone carries no retries.
    if (hub !== undefined)
      expect((await events.next()).value).toMatchObject({
        __typename: 'AnswerRetrying',
        isOtherKey: true,
        error: { code: 'QUOTA_EXCEEDED', fixableBy: 'KEY_MANAGER' },
      });
    await adaAtB.run('remove-api-key', { input: { id: apiKey.id } });
    expect(await call.closed).toBe('left');
    const end = await endOf(events, { text: '', reasoning: '' });
    expect(end).toMatchObject({ __typename: 'AnswerFailed', error: { code: 'QUOTA_EXCEEDED' } });
    await client.dispose();
  },
);

test.for(carriers)(
  'a follower of an answer whose thread another server deletes is told that there is none, by %s',
  { timeout: 30_000 },
  async (carrier) => {
    await using held = await startHeld({ times: faster(5), hub: CARRIERS[carrier]() });
    const client = held.ada.socket();
    const events = follow(client, 'answer-events', { answerId: held.answerId });
    held.call.release(1);
    expect((await events.next()).value.__typename).toBe('AnswerDelta');
    await held.adaAtB.run('delete-thread', { input: { id: held.threadId } });
    const reading = async () => {
      while (!(await events.next()).done);
    };
    await expect(reading()).rejects.toThrow('NOT_FOUND');
    expect(await held.call.closed).toBe('left');
    await client.dispose();
  },
);

test('a server that starts ends no answer of another', { timeout: 30_000 }, async () => {
  await using held = await startHeld();
  const c = await held.fleet.join();
  held.call.release();
  const client = (await through(c, held.ada)).socket();
  expect((await readAnswer(client, held.answerId)).end?.answer.status).toBe('COMPLETE');
  await client.dispose();
});

test('signing out on one server closes the socket on another', { timeout: 30_000 }, async () => {
  await using held = await startHeld();
  const socket = held.adaAtB.socket();
  const closed = new Promise<number>((resolve) =>
    socket.on('closed', (event) => resolve((event as CloseEvent).code)),
  );
  const events = follow(socket, 'thread-events', { threadId: held.threadId });
  await events.next();
  await fetch(`${held.a.url}/api/auth/sign-out`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${held.ada.token}`,
      'content-type': 'application/json',
      origin: held.a.url,
    },
    body: '{}',
  });
  expect(await closed).toBe(4403);
});

test('the answers of a server that died are interrupted with their text, and every watcher hears of it', {
  timeout: 30_000,
}, async () => {
  await using fleet = await startFleet(2, { times: faster(10) });
  const [a, b] = fleet.servers;
  const ada = await a.signUp();
  const { models } = await ada.addKey();
  const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
  const { answerId, threadId, call } = await askHeld(fleet.simulator, ada, model, { directive: 'tokens=40' });
  const client = (await through(b, ada)).socket();
  const ofAnswer = follow(client, 'answer-events', { answerId });
  const ofThread = follow(client, 'thread-events', { threadId });
  await ofThread.next();
  call.release(5);
  const held: Held = { text: '', reasoning: '' };
  applyDelta(held, (await ofAnswer.next()).value);
  a.freeze();
  const ends = await Promise.all([endOf(ofAnswer, held), endOf(ofThread, { text: '', reasoning: '' })]);
  for (const { answer } of ends) {
    expect(answer.status).toBe('INTERRUPTED');
    expect(answer.text.startsWith(held.text)).toBe(true);
  }
  await client.dispose();
});

test('the answers of a person are counted over all servers', { timeout: 60_000 }, async () => {
  await using fleet = await startFleet(4);
  const [a] = fleet.servers;
  const ada = await a.signUp();
  const { models } = await ada.addKey();
  const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
  const everywhere = await Promise.all(fleet.servers.map((server) => through(server, ada)));
  const sends = everywhere.flatMap((person) =>
    Array.from({ length: 10 }, () => person.ask('simulate: held', [model])),
  );
  const outcomes = (await Promise.all(sends)).map(({ __typename }) => __typename);
  expect(
    Object.fromEntries(
      Map.groupBy(outcomes, String)
        .entries()
        .map(([name, all]) => [name, all.length]),
    ),
  ).toEqual({
    SendMessagePayload: 16,
    BusyError: 24,
  });
});

test('a server that is being stopped ends nothing that has begun, and its followers go on at another one', {
  timeout: 30_000,
}, async () => {
  await using held = await startHeld({ hub: startMemoryBus() });
  const { a, ada, adaAtB, answerId, call, model } = held;
  const client = TRANSPORTS.WebSocket(ada);
  const seen: Held = { text: '', reasoning: '' };
  call.release(5);
  const reading = (async () => {
    for await (const event of follow(client, 'answer-events', { answerId }))
      if (event.__typename === 'AnswerDelta') applyDelta(seen, event);
  })();
  await eventually('text has come', () => seen.text !== '');
  const drained = a.drain();
  const moved = expect(reading).rejects.toMatchObject({ code: 1012 });
  await expect(ada.ask('One more.', [model])).rejects.toThrow('"SHUTTING_DOWN"');
  expect((await fetch(`${a.url}/health/ready`)).status).toBe(503);
  expect((await fetch(`${a.url}/health/live`)).status).toBe(200);
  await moved;

  const again = TRANSPORTS.WebSocket(adaAtB);
  const rest = follow(again, 'answer-events', { answerId, offset: seen.text.length });
  const next = rest.next();
  call.release(1);
  expect(applyDelta(seen, (await next).value)).toBe(true);
  call.release();
  const { answer } = await endOf(rest, seen);
  await again.dispose();
  expect(answer).toMatchObject({ status: 'COMPLETE', text: expect.stringContaining(seen.text) });
  expect(await readMessage(adaAtB, answerId)).toEqual({ status: 'COMPLETE', text: answer.text });
  await drained;
});

test.for(carriers)(
  'followers of a thread and of a workspace hear of what happens on another server, by %s',
  {
    timeout: 60_000,
  },
  async (carrier) => {
    await using fleet = await startFleet(2, { hub: CARRIERS[carrier](), times: faster(5) });
    const [a, b] = fleet.servers;
    const ada = await a.signUp();
    const { models } = await ada.addKey();
    const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
    const { id: threadId } = await newThread(ada);
    const client = TRANSPORTS.WebSocket(await through(b, ada));
    const ofThread = follow(client, 'thread-events', { threadId });
    const ofWorkspace = follow<WorkspaceEvent>(client, 'workspace-events', { workspaceId: ada.workspaceId });
    expect((await ofThread.next()).value.__typename).toBe('ThreadSnapshot');
    expect((await ofWorkspace.next()).value.__typename).toBe('WorkspaceSnapshot');

    const asked = await askHeld(fleet.simulator, ada, model, { threadId });
    for (const id of [asked.userMessageId, asked.answerId]) {
      const { value: event } = await ofThread.next();
      expect(event).toMatchObject({ __typename: 'MessageAdded', message: { id } });
    }
    asked.call.release();
    expect((await endOf(ofThread, { text: '', reasoning: '' })).answer.status).toBe('COMPLETE');
    for (;;) {
      const { value: event } = await ofWorkspace.next();
      if (event.thread?.id === threadId) break;
    }
    const { id: newId } = await newThread(ada);
    for (;;) {
      const { value: event } = await ofWorkspace.next();
      if (event.__typename === 'ThreadAdded' && event.thread?.id === newId) break;
    }
    await client.dispose();
  },
);

test.for(carriers)(
  'a thread that its creator makes private on one server leaves the lists of others on another, once, by %s',
  { timeout: 60_000 },
  async (carrier) => {
    await using fleet = await startFleet(2, { hub: CARRIERS[carrier](), times: faster(5) });
    const [a, b] = fleet.servers;
    const [ada, bob] = [await a.signUp('Ada'), await a.signUp('Bob')];
    const workspaceId = await newWorkspace(ada);
    await letIn(ada, workspaceId, bob, 'MEMBER');
    const client = TRANSPORTS.WebSocket(await through(b, bob));
    const events = follow<WorkspaceEvent>(client, 'workspace-events', { workspaceId });
    const next = async () => (await events.next()).value;
    expect((await next()).__typename).toBe('WorkspaceSnapshot');

    const shared = { workspaceId, visibility: 'WORKSPACE' };
    const { id } = await newThread(ada, shared);
    expect(await next()).toMatchObject({ __typename: 'ThreadAdded', thread: { id } });
    await change(ada, 'update-thread', { id, visibility: 'PRIVATE' });
    expect(await next()).toEqual({ __typename: 'ThreadRemoved', removedId: id });
    await change(ada, 'update-thread', { id, title: 'In private' });
    const { id: other } = await newThread(ada, shared);
    expect(await next()).toMatchObject({ __typename: 'ThreadAdded', thread: { id: other } });
    await client.dispose();
  },
);

interface WorkspaceEvent {
  __typename: string;
  thread?: { id: string };
}

test('a server that was taken for dead writes nothing more, ends its provider calls and begins new answers', {
  timeout: 30_000,
}, async () => {
  await using held = await startHeld({ times: faster(10) });
  const { a, ada, answerId, call, model, simulator } = { ...held, simulator: held.fleet.simulator };
  call.release(5);
  a.freeze();
  await eventually('the other server has taken the answer', async () => {
    const { status } = await readMessage(held.adaAtB, answerId);
    return status === 'INTERRUPTED';
  });
  const { text } = await readMessage(held.adaAtB, answerId);
  call.release(5);
  a.thaw();
  expect(await call.closed).toBe('left');
  expect(await readMessage(ada, answerId)).toEqual({ status: 'INTERRUPTED', text });
  const next = await askHeld(simulator, ada, model, { threadId: held.threadId });
  next.call.release();
  const client = held.adaAtB.socket();
  expect((await readAnswer(client, next.answerId)).end?.answer.status).toBe('COMPLETE');
  await client.dispose();
});

test('a late word that its earlier lease was ended interrupts none of the answers of a server', {
  timeout: 30_000,
}, async () => {
  const hub = startMemoryBus();
  await using held = await startHeld({ hub });
  const bus = hub.join();
  bus.setServerId('run_other');
  const { serverId } = held.a.app.lease;
  bus.send(serverId, ['taken', 'run_earlier']);
  await new Promise(setImmediate);
  held.call.release();
  const client = held.ada.socket();
  expect((await readAnswer(client, held.answerId)).end?.answer.status).toBe('COMPLETE');
  await client.dispose();
  await bus.close();
});

test('a server that alone has lost the database gives up its provider calls', {
  timeout: 30_000,
}, async () => {
  await using held = await startHeld({ times: faster(20) });
  held.a.freeze();
  expect(await held.call.closed).toBe('left');
  const { status } = await readMessage(held.ada, held.answerId);
  expect(status).toBe('INTERRUPTED');
});
