import { expect, test } from 'vitest';
import type { FleetTimes } from '../src/fleet/times.ts';
import {
  applyDelta,
  askHeld,
  type Event,
  follow,
  type Held,
  isEnd,
  readAnswer,
  TRANSPORTS,
} from './kit/answer.ts';
import { rawBody } from './kit/api-key.ts';
import { eventually } from './kit/eventually.ts';
import { faster, startFleet, through } from './kit/fleet.ts';
import { type MemoryBusHub, startMemoryBus } from './kit/memory-bus.ts';
import type { Person } from './kit/person.ts';
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
    const { call, answerId, threadId, adaAtB } = held;
    const client = TRANSPORTS[transport](adaAtB);
    const ofAnswer = follow(client, 'answer-events', { answerId });
    const ofThread = follow(client, 'thread-events', { threadId });
    const snapshot = await ofThread.next();
    expect(snapshot.value.writing.map(({ id }: { id: string }) => id)).toEqual([answerId]);
    const byAnswer: Held = { text: '', reasoning: '' };
    const byThread: Held = { text: snapshot.value.writing[0].text, reasoning: '' };
    let deltas = 0;
    for (let released = 0; released < 3; released++) {
      call.release(2);
      for (const [events, kept] of [
        [ofAnswer, byAnswer],
        [ofThread, byThread],
      ] as const) {
        const before = kept.text.length;
        while (kept.text.length === before) {
          const { value: event } = await events.next();
          expect(event.__typename).toBe('AnswerDelta');
          expect(applyDelta(kept, event)).toBe(true);
          deltas++;
        }
      }
    }
    expect(deltas).toBeGreaterThanOrEqual(6);
    // A query on the other server shows at least what its followers have been sent.
    expect((await readMessage(adaAtB, answerId)).text.startsWith(byAnswer.text)).toBe(true);
    call.release();
    const ends = await Promise.all([endOf(ofAnswer, byAnswer), endOf(ofThread, byThread)]);
    const { text } = await readMessage(held.ada, answerId);
    expect(ends.map(({ answer }) => answer.text)).toEqual([text, text]);
    expect([byAnswer.text, byThread.text].every((seen) => text.startsWith(seen))).toBe(true);
    await client.dispose();
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

async function endOf(events: AsyncGenerator<Event>, held: Held): Promise<Event> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error('the subscription ended without the end of the answer');
    if (value.__typename === 'AnswerDelta') applyDelta(held, value);
    if (isEnd(value)) return value;
  }
}

async function readMessage(person: Person, id: string): Promise<{ text: string; status: string }> {
  const { data } = await rawBody(person, `{ node(id: "${id}") { ... on Answer { text status } } }`);
  return data.node as { text: string; status: string };
}

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

interface WorkspaceEvent {
  __typename: string;
  thread?: { id: string };
}
