import { expect } from 'vitest';
import { applyDelta, type askHeld, type Event, follow, type Held, isEnd, TRANSPORTS } from './answer.ts';
import { rawBody } from './api-key.ts';
import type { Person } from './person.ts';

/** A held answer that one server writes, and its author at another one. */
export type HeldElsewhere = Awaited<ReturnType<typeof askHeld>> & { ada: Person; adaAtB: Person };

/** Follows an answer and its thread at the other server while it is written in steps, then to its end, which is what is stored. */
export async function expectFollowedElsewhere(
  { ada, adaAtB, answerId, threadId, call }: HeldElsewhere,
  transport: keyof typeof TRANSPORTS,
): Promise<void> {
  const client = TRANSPORTS[transport](adaAtB);
  const ofAnswer = follow(client, 'answer-events', { answerId });
  const ofThread = follow(client, 'thread-events', { threadId });
  const { writing } = (await ofThread.next()).value as Event;
  expect(writing.map(({ id }) => id)).toEqual([answerId]);
  const followed = [
    { events: ofAnswer, held: { text: '', reasoning: '' } },
    { events: ofThread, held: { text: writing[0]?.text ?? '', reasoning: '' } },
  ];
  for (let step = 0; step < 3; step++) {
    call.release(2);
    for (const { events, held } of followed) {
      const before = held.text.length;
      while (held.text.length === before) {
        const { value: event } = await events.next();
        expect(event.__typename).toBe('AnswerDelta');
        expect(applyDelta(held, event)).toBe(true);
      }
    }
  }
  // A query at the other server shows at least what its followers have been sent.
  expect((await readMessage(adaAtB, answerId)).text.startsWith(followed[0]?.held.text ?? 'nothing')).toBe(
    true,
  );
  call.release();
  const ends = await Promise.all(followed.map(({ events, held }) => endOf(events, held)));
  const stored = await readMessage(ada, answerId);
  expect(stored.status).toBe('COMPLETE');
  expect(ends.map(({ answer }) => answer.text)).toEqual([stored.text, stored.text]);
  expect(followed.map(({ held }) => held.text)).toEqual([stored.text, stored.text]);
  await client.dispose();
}

/** Reads on to the end of an answer. `held` gets what comes before. */
export async function endOf(events: AsyncGenerator<Event>, held: Held): Promise<Event> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error('the subscription ended without the end of the answer');
    if (value.__typename === 'AnswerDelta') applyDelta(held, value);
    if (isEnd(value)) return value;
  }
}

/** A message as a query gives it. */
export async function readMessage(person: Person, id: string): Promise<{ text: string; status: string }> {
  const { data } = await rawBody(person, `{ node(id: "${id}") { ... on Answer { text status } } }`);
  return data.node as { text: string; status: string };
}
