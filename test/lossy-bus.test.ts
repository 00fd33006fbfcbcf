import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyDelta, follow, type Held, isEnd, TRANSPORTS } from './kit/answer.ts';
import { faster } from './kit/faster.ts';
import { startFleet, through } from './kit/fleet.ts';
import { startMemoryBus } from './kit/memory-bus.ts';
import { say } from './kit/say.ts';
import { startScriptedProvider } from './kit/scripted-provider.ts';

/** Text as providers cut it, now and then longer than what one record of the bus holds. */
const pieces = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.stringMatching(/^[ a-zäß語🚀]{1,12}$/u) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 20_000, max: 90_000 }).map((length) => '🚀x'.repeat(length / 3)),
    },
  ),
  { minLength: 10, maxLength: 40 },
);

test('whatever the bus loses, doubles or delays, a follower on another server holds the text that is stored', {
  timeout: 180_000,
}, async () => {
  await using provider = await startScriptedProvider();
  const hub = startMemoryBus();
  const env = { LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host };
  await using fleet = await startFleet(2, { env, hub, times: faster(5) });
  const [a, b] = fleet.servers;
  const ada = await a.signUp();
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  const client = TRANSPORTS.WebSocket(await through(b, ada));
  const lost = new Map<string, number>();

  const property = fc.asyncProperty(
    pieces,
    fc.infiniteStream(fc.nat(99)),
    fc.array(fc.nat(39), { maxLength: 2 }),
    async (written, chances, cuts) => {
      hub.fate = ([kind]) => {
        const chance = chances.next().value ?? 0;
        if (chance < 25) lost.set(kind, (lost.get(kind) ?? 0) + 1);
        return chance < 25 ? [] : chance < 35 ? [0, chance] : chance < 50 ? [chance] : [0];
      };
      const sent = await ada.ask('Go on.', models);
      const answerId = sent.answers[0]?.id ?? '';
      const call = await provider.nextCall();
      const held: Held = { text: '', reasoning: '' };
      const seen: string[] = [];
      const ended = (async () => {
        for await (const event of follow(client, 'answer-events', { answerId })) {
          if (event.__typename === 'AnswerDelta') expect(applyDelta(held, event)).toBe(true);
          if (isEnd(event)) {
            seen.push(held.text);
            return event.answer;
          }
        }
        throw new Error('the subscription ended without the end of the answer');
      })();
      for (const [index, content] of written.entries()) {
        if (cuts.includes(index)) hub.cut();
        call.write({ content });
        await sleep((index % 5) * 5); // so that the bus gathers some and not all
        if (cuts.includes(index - 3)) hub.restore();
      }
      hub.restore();
      call.finish();
      const text = written.join('');
      expect(await ended).toMatchObject({ status: 'COMPLETE', text });
      expect(seen.every((before) => text.startsWith(before))).toBe(true);
    },
  );
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
  await client.dispose();
  say(
    `${RUNS} answers over a bus that lost ${JSON.stringify(Object.fromEntries(lost))}: every text is the stored one`,
  );
  expect(lost.get('frame')).toBeGreaterThan(0);
});

const RUNS = Number(process.env.LATCHKEY_TEST_ROUNDS ?? 25);
