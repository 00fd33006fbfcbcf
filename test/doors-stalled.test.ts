import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { applyDelta, type Event, type Held, isEnd, readAnswer } from './kit/answer.ts';
import { usedMiB } from './kit/memory.ts';
import { documentOf, type Person } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { say } from './kit/say.ts';
import { startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer } from './kit/server.ts';

const STALLED = 8;
const DELTAS = 40_000;

/** A server that keeps a message for each delta for each of these clients has kept 640,000 by the end. */
test('clients that stop reading cost their place in the text and no more, and miss nothing; others are not held up', async () => {
  await using provider = await startScriptedProvider();
  await using server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  const ada = await server.signUp();
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  const sent = await ada.ask('Go on.', models);
  const answerId = sent.answers[0]?.id ?? '';
  const call = await provider.nextCall();
  call.write({ content: 'Begin. ' });

  const payload = { query: documentOf('answer-events'), variables: { answerId } };
  const sockets = await Promise.all(Array.from({ length: STALLED }, () => openFor(ada)));
  for (const { send } of sockets) send({ type: 'subscribe', id: '1', payload });
  await Promise.all(sockets.map(({ message }) => message('next')));
  for (const { socket } of sockets) socket.pause();
  const streams = await Promise.all(Array.from({ length: STALLED }, () => openStream(ada, payload)));
  const reading = readAnswer(ada.socket(), answerId);

  const before = await usedMiB();
  let expected = 'Begin. ';
  for (let index = 0; index < DELTAS; index++) {
    const content = `Word ${index} of an answer that nobody reads. `;
    expected += content;
    call.write({ content });
    if (index % 100 === 0) await setImmediate();
  }
  call.finish();
  const read = await reading;
  expect(read.end?.answer.text).toBe(expected);
  expect(read.text).toBe(expected);
  const grown = (await usedMiB()) - before;
  say(`${2 * STALLED} stalled clients, ${DELTAS} deltas: +${grown.toFixed(1)} MiB`);
  expect(grown).toBeLessThan(60);

  for (const { socket } of sockets) socket.resume();
  const held = await Promise.all([
    ...sockets.map(async (socket) => {
      await socket.message('complete');
      return apply(socket.messages.flatMap(({ type, payload }) => (type === 'next' ? [payload] : [])));
    }),
    ...streams.map(async (stream) => apply((await text(stream)).split('\n').flatMap(dataOf))),
  ]);
  for (const { socket } of sockets) socket.terminate();
  for (const each of held) {
    expect(each.text).toBe(expected);
    expect(each.end).toBe(expected);
    expect(each.deltas).toBeLessThan(DELTAS / 4);
  }
}, 60_000);

/** A response that is not read until the test reads it. */
async function openStream({ url, token }: Person, payload: object): Promise<IncomingMessage> {
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    authorization: `Bearer ${token}`,
  };
  const asking = request(`${url}/graphql`, { method: 'POST', headers, agent: false });
  asking.end(JSON.stringify(payload));
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  return response;
}

function dataOf(line: string): unknown[] {
  return line.startsWith('data: {') ? [JSON.parse(line.slice('data: '.length))] : [];
}

/** What a client holds after these results, by the rule of the schema. */
function apply(results: unknown[]): Held & { end: string | undefined; deltas: number } {
  const held = { text: '', reasoning: '', end: undefined as string | undefined, deltas: 0 };
  for (const result of results) {
    const event = (result as { data: { answerEvents: Event } }).data.answerEvents;
    if (isEnd(event)) held.end = event.answer.text;
    else if (event.__typename === 'AnswerDelta') {
      held.deltas++;
      expect(applyDelta(held, event)).toBe(true);
    }
  }
  return held;
}
