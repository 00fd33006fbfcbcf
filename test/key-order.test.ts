import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type KeyResult, keysOf, modelsOf, untilStatus } from './kit/api-key.ts';
import type { Person } from './kit/person.ts';
import { answerOf, readAnswer } from './kit/place.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** Of several keys of one provider the first that works pays, and their owner says which is the first. */

let server: TestServer;
let ada: Person;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  ada = await server.signUp();
});

async function add(label: string, more: { provider?: string; secret?: string } = {}): Promise<string> {
  const { provider = 'OPENAI', secret } = more;
  return (await ada.addKey(provider, secret, { label })).apiKey.id;
}

async function update(id: string, input: object): Promise<KeyResult> {
  return await ada.run<KeyResult>('update-api-key', { input: { id, ...input } });
}

/** The labels in the order in which the keys are asked; a place that is taken twice, or by none, shows. */
async function order(provider = 'OPENAI'): Promise<string> {
  const keys = (await keysOf(ada)).filter((key) => key.provider === provider);
  return keys
    .toSorted((left, right) => left.position - right.position)
    .map(({ position, label }) => `${position} ${label}`)
    .join(', ');
}

describe('the order of keys', () => {
  test('the order of keys is that in which they were added, for each provider apart', async () => {
    for (const label of ['a', 'b', 'c']) await add(label);
    await add('m', { provider: 'MISTRAL' });
    expect(await order()).toBe('1 a, 2 b, 3 c');
    expect(await order('MISTRAL')).toBe('1 m');
  });

  test('the order of keys changes when a key is moved, and the others close up', async () => {
    const ids = [];
    for (const label of ['a', 'b', 'c', 'd']) ids.push(await add(label));
    const [a = '', b = '', c = '', d = ''] = ids;
    const seen = [];
    for (const [id, position] of [
      [d, 1],
      [d, 3],
      [a, 4],
      [b, 99],
      [c, 1],
      [c, 1],
    ] as const) {
      await update(id, { position });
      seen.push(await order());
    }
    expect(seen).toEqual([
      '1 d, 2 a, 3 b, 4 c',
      '1 a, 2 b, 3 d, 4 c',
      '1 b, 2 d, 3 c, 4 a',
      '1 d, 2 c, 3 a, 4 b',
      '1 c, 2 d, 3 a, 4 b',
      '1 c, 2 d, 3 a, 4 b',
    ]);
  });

  test('the order of keys has no place before the first', async () => {
    const id = await add('a');
    for (const position of [0, -1])
      expect(await update(id, { position, label: 'z' })).toMatchObject({
        code: 'BAD_INPUT',
        message: 'Positions are counted from 1.',
      });
    expect(await order()).toBe('1 a');
  });

  test('the order of keys has no gap where a key was removed', async () => {
    const ids = [];
    for (const label of ['a', 'b', 'c']) ids.push(await add(label));
    await ada.run('remove-api-key', { input: { id: ids[1] } });
    expect(await order()).toBe('1 a, 2 c');
    await add('d');
    expect(await order()).toBe('1 a, 2 c, 3 d');
  });

  test('the order of keys has every place once, however many are added, moved and removed at the same time', async () => {
    const added = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((label) => add(label)));
    expect((await order()).match(/\d/g)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    const [first = '', second = '', ...rest] = added;
    await Promise.all([
      ...rest.map((id, index) => update(id, { position: 1 + ((index * 5) % 8) })),
      ada.run('remove-api-key', { input: { id: first } }),
      ada.run('remove-api-key', { input: { id: second } }),
    ]);
    expect((await order()).match(/\d/g)).toEqual(['1', '2', '3', '4', '5', '6']);
  });
});

describe('of several keys that offer a model', () => {
  test('the first pays, and the answer says which it was', async () => {
    const [a, b] = [await add('a'), await add('b')];
    const [model = { id: '' }] = await modelsOf(ada);
    expect(await answerOf(ada, model)).toMatchObject({ apiKey: { id: a, label: 'a' } });
    await update(b, { position: 1 });
    const answer = await answerOf(ada, model);
    expect(answer).toMatchObject({ status: 'COMPLETE', paidBy: 'PERSONAL', apiKey: { id: b, label: 'b' } });
    await update(b, { isEnabled: false });
    expect(await answerOf(ada, model)).toMatchObject({ apiKey: { id: a } });
  });

  test('a key without credit is asked after the others, also if its position is before theirs', async () => {
    const [a, b] = [await add('a', { secret: 'sk-sim-quota-0' }), await add('b')];
    const [model = { id: '' }] = await modelsOf(ada);
    expect(await answerOf(ada, model)).toMatchObject({ status: 'COMPLETE', apiKey: { id: b } });
    await untilStatus(ada, a, 'EXHAUSTED');
    expect(await answerOf(ada, model)).toMatchObject({ status: 'COMPLETE', apiKey: { id: b } });
    await update(b, { isEnabled: false });
    expect(await answerOf(ada, model)).toMatchObject({ status: 'FAILED', apiKey: { id: a } });
  });

  test('a key that is gone is named by no answer any more, whose payer stays known', async () => {
    const id = await add('a');
    const [model = { id: '' }] = await modelsOf(ada);
    const answer = await answerOf(ada, model);
    await ada.run('remove-api-key', { input: { id } });
    expect(await readAnswer(ada, answer.id)).toMatchObject({ paidBy: 'PERSONAL', apiKey: null });
  });
});
