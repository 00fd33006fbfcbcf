import { setImmediate } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messages } from '../src/db/tables/thread.ts';
import { applyDelta, type Event, type Follower, follow, type Held, isEnd, TRANSPORTS } from './kit/answer.ts';
import { say } from './kit/say.ts';
import { type ScriptedCall, startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer } from './kit/server.ts';

/** What one client goes through: after how many pieces each of its connections breaks, and in what order late ones come. */
const breaks = fc.array(fc.record({ after: fc.nat(6), order: fc.infiniteStream(fc.nat()) }), {
  minLength: 2,
  maxLength: 4,
});

/** Text as providers cut it: through emoji, around NUL and between CR and LF. */
const pieces = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.stringMatching(/^[ a-zäß語]{1,8}$/) },
    fc.constantFrom('\ud83d', '\ude80', '🚀', '👩‍👩‍👧', '\ud800x', '\0', 'a\0b', '\r', '\n', '\r\n'),
  ),
  { minLength: 30, maxLength: 90 },
);

/** Answers over each transport, with eight readers each. */
const RUNS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 12);

const transports = Object.keys(TRANSPORTS) as (keyof typeof TRANSPORTS)[];

test.for(transports)(
  'a lost connection resumes without losing a word, over %s',
  { timeout: 30_000 + RUNS * 2_000 },
  async (transport) => {
    await using provider = await startScriptedProvider();
    await using server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
    const ada = await server.signUp();
    const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
    let broken = 0;

    const resumes = fc.asyncProperty(
      pieces,
      pieces,
      fc.array(breaks, { minLength: 8, maxLength: 8 }),
      async (thinking, writing, plans) => {
        const sent = await ada.ask('Go on.', models);
        const answerId = sent.answers[0]?.id ?? '';
        const call = await provider.nextCall();
        // Both end in a whole character: half of one would be held back until the answer has ended.
        const expected = { text: clean([...writing, 'End.']), reasoning: clean([...thinking, 'So.']) };
        const clients = plans.map((plan) =>
          readWithBreaks(() => TRANSPORTS[transport](ada), answerId, plan, expected),
        );
        for (const reasoning_content of [...thinking, 'So.']) await write(call, { reasoning_content });
        for (const content of [...writing, 'End.']) await write(call, { content });
        await Promise.all(clients.map((client) => client.hasAll));
        call.finish();

        for (const client of clients) expect(await client.end).toEqual(expected);
        broken += clients.map((client) => client.broken()).reduce((sum, count) => sum + count);
        const [stored] = await server.app.db
          .select({ text: messages.text, reasoning: messages.reasoning })
          .from(messages)
          .where(eq(messages.id, answerId));
        expect(stored).toEqual(expected);
      },
    );
    await fc.assert(resumes, { numRuns: RUNS, endOnFailure: true });

    say(`${transport}: resumed after ${broken} broken connections, not a word lost`);
    expect(broken).toBeGreaterThanOrEqual(6 * RUNS);
  },
);

/** Sends one delta and lets the others have a turn, so that breaks fall anywhere between two. */
async function write(call: ScriptedCall, delta: Parameters<ScriptedCall['write']>[0]): Promise<void> {
  call.write(delta);
  await setImmediate();
}

function clean(written: readonly string[]): string {
  return written.join('').replaceAll('\0', '').toWellFormed();
}

/**
 * Follows an answer as a bad network would have it: connections break, and after each break what came last is delivered,
 * together with older pieces, in any order. A piece that comes too early is left alone; the next connection brings it.
 */
function readWithBreaks(
  connect: () => ReturnType<(typeof TRANSPORTS)[keyof typeof TRANSPORTS]>,
  answerId: string,
  plan: readonly { after: number; order: Iterator<number> }[],
  expected: Held,
) {
  const held: Held = { text: '', reasoning: '' };
  const seen: Event[] = [];
  const hasAll = Promise.withResolvers<void>();
  let broken = 0;

  function events(client: Follower) {
    const offsets = { offset: held.text.length, reasoningOffset: held.reasoning.length };
    return follow(client, 'answer-events', { answerId, ...offsets });
  }

  async function breakOff({ after, order }: (typeof plan)[number]): Promise<void> {
    const client = connect();
    const late: Event[] = [];
    for await (const event of events(client)) {
      late.push(event);
      const isLast = event.part === 'TEXT' && event.offset + event.text.length === expected.text.length;
      if (!isLast && late.length <= after) continue;
      client.drop();
      broken += 1;
      break;
    }
    seen.push(...late);
    const delivered = [...late, ...seen.slice(-10)].map((event) => ({ event, key: order.next().value }));
    delivered.sort((left, right) => left.key - right.key);
    for (const { event } of delivered) applyDelta(held, event);
  }

  async function readToEnd(): Promise<Held> {
    const client = connect();
    const isWhole = () => held.text === expected.text && held.reasoning === expected.reasoning;
    if (isWhole()) hasAll.resolve();
    for await (const event of events(client)) {
      if (isEnd(event)) {
        expect(held).toEqual({ text: event.answer.text, reasoning: event.answer.reasoning });
        break;
      }
      expect(applyDelta(held, event)).toBe(true);
      if (isWhole()) hasAll.resolve();
    }
    client.drop();
    return held;
  }

  async function run(): Promise<Held> {
    for (const connection of plan) if (held.text !== expected.text) await breakOff(connection);
    return await readToEnd();
  }
  const end = run();
  end.catch(hasAll.reject);
  return { hasAll: hasAll.promise, end, broken: () => broken };
}
