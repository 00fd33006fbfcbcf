import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LiveAnswer } from '../src/answers/live-answer.ts';
import { fairShare, RunningAnswers } from '../src/answers/running.ts';
import { heldBytes } from '../src/answers/sent-files.ts';
import { readConfig } from '../src/config.ts';
import { BusyError } from '../src/errors.ts';
import type { NamedModel, Person, Sent } from './kit/person.ts';
import { useSite } from './kit/site.ts';

const ANSWERS = { total: 200, perPerson: 16, least: 4 };

test('a person has the whole share up to half of the total, and the least one from three quarters on', () => {
  const shares = [0, 99, 100, 112, 125, 137, 150, 199, 200].map((inUse) => fairShare(ANSWERS, inUse));
  expect(shares).toEqual([16, 16, 16, 13, 10, 7, 4, 4, 4]);
});

test('the more is in use the less a person may have, within the two bounds', () => {
  const limits = fc.record({
    total: fc.integer({ min: 1, max: 10_000 }),
    perPerson: fc.integer({ min: 1, max: 100 }),
    least: fc.constant(4),
  });
  fc.assert(
    fc.property(limits, fc.nat(10_000), fc.nat(10_000), (limit, some, more) => {
      const [share, smaller] = [fairShare(limit, some), fairShare(limit, some + more)];
      expect(smaller).toBeLessThanOrEqual(share);
      expect(share).toBeLessThanOrEqual(limit.perPerson);
      expect(smaller).toBeGreaterThanOrEqual(Math.min(limit.least, limit.perPerson));
    }),
  );
});

test('thirteen accounts that each take all they get leave room for another person', () => {
  let inUse = 0;
  for (let account = 0; account < 13; account++) {
    let own = 0;
    while (own < fairShare(ANSWERS, inUse)) {
      own++;
      inUse++;
    }
  }
  expect(ANSWERS.total - inUse).toBeGreaterThan(16);
});

const site = useSite({ LATCHKEY_MAX_ANSWERS: '16', LATCHKEY_MAX_ANSWERS_PER_PERSON: '8' });

test('people who ask much leave room for others, and who has to wait learns until when', async () => {
  const people = await Promise.all(['Ada', 'Ben', 'Cleo', 'Dora'].map((name) => site.server.signUp(name)));
  const [ada, ben, cleo, dora] = (await Promise.all(
    people.map(async (person) => ({
      person,
      models: [...(await person.addKey('OPENAI')).models, ...(await person.addKey('ANTHROPIC')).models],
    })),
  )) as [Asker, Asker, Asker, Asker];
  const running = [await ask(ada, 8), await ask(ben, 4)];
  expect(running.map(({ __typename }) => __typename)).toEqual(['SendMessagePayload', 'SendMessagePayload']);
  const askedAt = Date.now();
  const busy = (await ask(cleo, 5)) as unknown as { code: string; message: string; retryAt: string };
  expect(busy).toMatchObject({
    code: 'BUSY',
    message:
      'This server is busy: at most 4 answers may be written for you at the moment. Wait for one to end, or ask fewer models.',
  });
  expect(Date.parse(busy.retryAt)).toBeGreaterThan(askedAt);
  running.push(await ask(cleo, 4));
  expect(await ask(dora, 1)).toMatchObject({
    code: 'BUSY',
    message: 'This server is writing as many answers as it can. Try again in a moment.',
    retryAt: expect.any(String),
  });
  const { answers } = running[0] ?? expect.unreachable();
  await Promise.all(answers.map(({ id }) => ada.person.run('stop-answer', { input: { answerId: id } })));
  running.push(await ask(dora, 1));
  expect(running.map(({ __typename }) => __typename)).toEqual(Array(4).fill('SendMessagePayload'));
  site.server.simulator.release();
});

test.for(['LATCHKEY_MAX_ANSWERS', 'LATCHKEY_MAX_ANSWERS_PER_PERSON'])('%s is a whole number', (name) => {
  for (const text of ['0', '-1', '1.5', 'many', '10001', ''])
    expect(() => readConfig({ [name]: text })).toThrow(
      `${name} is "${text}". Set a whole number from 1 to 10000.`,
    );
});

interface Asker {
  person: Person;
  models: NamedModel[];
}

function ask({ person, models }: Asker, count: number): Promise<Sent> {
  return person.ask('simulate: held', models.slice(0, count));
}

const NO_FILES = { used: [], notes: new Map(), noteBytes: 0, hasOlder: false };

test('texts and notes of files that are held for answers count as their conversations do', () => {
  const running = new RunningAnswers({ total: 200, perPerson: 16 });
  const texts = (count: number) =>
    heldBytes({ ...NO_FILES, used: Array(count).fill({ use: { use: 'AS_TEXT', maxCharacters: 400_000 } }) });
  const lives = Array.from({ length: 8 }, (_, index) => {
    const id = `msg_${index}`;
    return new LiveAnswer({ id, threadId: 'thr_1', writerId: 'srv_1', provider: 'OPENAI' });
  });
  const answers = (count: number) => lives.map((live) => ({ live, heldBytes: texts(count) }));
  // As much as a model is sent at most, for eight models.
  running.add('usr_ada', answers(5));
  for (const live of lives) running.remove(live);
  expect(() => running.add('usr_ada', answers(6))).toThrow(BusyError);
  expect(heldBytes(NO_FILES)).toBe(0);
  expect(heldBytes({ ...NO_FILES, noteBytes: 70 })).toBe(70);
});
