import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROVIDER_NAMES } from '../src/providers/provider.ts';
import { type Directive, readDirective } from '../src/simulator/directive.ts';
import { KEY_FAULTS, MODEL_FAULTS } from '../src/simulator/faults.ts';
import { liftCheckLimits } from './kit/altered-provider.ts';
import { type Event, type Follower, readAnswer } from './kit/answer.ts';
import { type KeyResult, keysOf } from './kit/api-key.ts';
import { recipe, tableBelow } from './kit/pages.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** docs/simulator.md says what every word of the simulator does, and the real server agrees. */

let server: TestServer;
let ada: Person;
let client: Follower;
beforeAll(async () => {
  server = await startTestServer();
  liftCheckLimits(server);
  ada = await server.signUp();
  client = ada.socket();
});
afterAll(async () => {
  await client.dispose();
  await server.close();
});

test('the page has every word that breaks an answer or a key, and no other', () => {
  expect(ANSWER_ROWS.map(({ word }) => word)).toEqual([...MODEL_FAULTS]);
  expect(KEY_ROWS.map(({ word }) => word)).toEqual([...KEY_FAULTS]);
});

test('the page has every word that directs an answer, and no other', () => {
  const lines = rowsBelow('Direct an answer').map(([line = '']) => line.replaceAll('`', ''));
  const plain = readDirective('Hello');
  const fields = Object.keys(plain).filter((field) => field !== 'question') as (keyof Directive)[];
  const changed = lines.map((line) => fields.filter((field) => readDirective(line)[field] !== plain[field]));
  expect(changed.flat().toSorted()).toEqual(fields.toSorted());
});

test('an answer ends as the page says', async () => {
  const { models } = await ada.addKey('OPENAI');
  const nano = models.filter(({ name }) => name === 'gpt-4.1-nano');
  const endOf = async (word: string) => {
    const { answers } = await ada.ask(`Hello\nsimulate: ${word}`, nano);
    return (await readAnswer(client, answers[0]?.id ?? '')).end;
  };
  const ending = ANSWER_ROWS.filter(({ end }) => end !== 'WRITING');
  for (let first = 0; first < ending.length; first += AT_A_TIME) {
    const group = ending.slice(first, first + AT_A_TIME);
    const seen = await Promise.all(
      group.map(async ({ word }) => ({ word, end: inWords(await endOf(word)) })),
    );
    expect(seen).toEqual(group);
  }
  expect(await endOf('cut')).toMatchObject(JSON.parse(recipe('cut', server.url)));
}, 60_000);

test('an answer that the page says is still being written is, until it is stopped', async () => {
  const { models } = await ada.addKey('OPENAI');
  const nano = models.filter(({ name }) => name === 'gpt-4.1-nano');
  for (const { word } of ANSWER_ROWS.filter(({ end }) => end === 'WRITING')) {
    const question = `Hello ${word}\nsimulate: ${word}`;
    const { answers } = await ada.ask(question, nano);
    const call = await server.simulator.waitForRequest(({ body }) => body.includes(`Hello ${word}`));
    await ada.run('stop-answer', { input: { answerId: answers[0]?.id } });
    expect(await call.closed).toBe('left');
  }
});

test('adding a key gives what the page says, at every provider', async () => {
  await Promise.all(
    KEY_ROWS.map(async ({ word, gives, exceptions }) => {
      const person = await server.signUp();
      const providers = word === 'hang' ? (['ANTHROPIC'] as const) : PROVIDER_NAMES;
      for (const provider of providers) {
        const more = provider === 'CUSTOM' ? { baseUrl: server.simulator.baseUrls.CUSTOM } : {};
        const added = (await person.addKey(provider, `sk-${word}-1`, more)) as KeyResult;
        const expected = exceptions.get(server.app.providers[provider].title) ?? gives;
        expect([word, provider, added.apiKey?.status ?? added.code]).toEqual([word, provider, expected]);
      }
    }),
  );
}, 60_000);

test('a key without credit turns EXHAUSTED when a model is asked', async () => {
  const bob = await server.signUp('Bob');
  const { models } = await bob.addKey('ANTHROPIC', 'sk-quota-1');
  const { answers } = await bob.ask('Hello', models.slice(0, 1));
  const socket = bob.socket();
  const { end } = await readAnswer(socket, answers[0]?.id ?? '');
  await socket.dispose();
  expect(end).toMatchObject({ error: { code: 'QUOTA_EXCEEDED' } });
  expect(await keysOf(bob)).toMatchObject([{ status: 'EXHAUSTED' }]);
});

/** Status and code of an answer's end, or what else there is to say of it. */
function inWords(end: Event | undefined): string {
  const finishReason = end?.answer.finishReason === 'STOP' ? undefined : end?.answer.finishReason;
  return [end?.answer.status, end?.error?.code ?? finishReason].filter((word) => word != null).join(' ');
}

const AT_A_TIME = 12; // a person may have sixteen answers written at once

function rowsBelow(heading: string): string[][] {
  return tableBelow('docs/simulator.md', heading);
}

function withoutTicks(cell = ''): string {
  return cell.replaceAll('`', '');
}

const ANSWER_ROWS = rowsBelow('Break an answer').map(([word, , , end]) => ({
  word: withoutTicks(word),
  end: withoutTicks(end),
}));

const KEY_ROWS = rowsBelow('Break a key').map(([word, , gives, exceptions = '']) => ({
  word: withoutTicks(word),
  gives: withoutTicks(gives),
  exceptions: new Map(
    exceptions.split(';').flatMap((exception) => {
      const [, titles = '', status = ''] = /^(.*) `(\w+)`$/.exec(exception.trim()) ?? [];
      return titles.split(', ').map((title) => [title, status] as const);
    }),
  ),
}));
