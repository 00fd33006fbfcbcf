import { expect, test } from 'vitest';
import { follow, readAnswer } from './kit/answer.ts';
import { startTestServer } from './kit/server.ts';

test('a person connects a key, sees its models, asks one and reads the answer as it is written', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  const { apiKey, models } = await ada.addKey('OPENAI');
  expect(apiKey).toMatchObject({ status: 'ACTIVE', statusMessage: null });
  expect(models.every((model) => model.isAvailable)).toBe(true);

  const modelName = 'gpt-4.1-nano';
  const chosen = models.filter(({ name }) => name === modelName);
  const sent = await ada.ask('What is a latchkey?\nsimulate: held', chosen);
  expect(sent).toMatchObject({ __typename: 'SendMessagePayload', answers: [{ modelName }] });
  const client = ada.socket();
  const deltas: string[] = [];
  const call = await server.simulator.waitForRequest(({ body }) => body.includes('What is a latchkey?'));
  call.release(1);
  for await (const event of follow(client, 'answer-events', { answerId: sent.answers[0]?.id })) {
    if (event.__typename === 'AnswerDelta') {
      expect(event).toMatchObject({ part: 'TEXT', offset: deltas.join('').length });
      deltas.push(event.text);
      call.release(deltas.length === 3 ? undefined : 1);
      continue;
    }
    expect(event).toMatchObject({
      __typename: 'AnswerFinished',
      answer: { status: 'COMPLETE', finishReason: 'STOP', text: deltas.join('') },
    });
  }
  expect(deltas.length).toBeGreaterThan(3);
  expect(deltas.join('')).toContain('What is a latchkey?');
  await client.dispose();
});

test('how long an answer may become is left to the provider', async () => {
  await using server = await startTestServer();
  const ada = await server.signUp();
  for (const provider of ['OPENAI', 'GEMINI', 'MISTRAL', 'XAI', 'NOVITA']) {
    const { models } = await ada.addKey(provider);
    const sent = await ada.ask('simulate: echo', models.slice(0, 1));
    const client = ada.socket();
    const { end } = await readAnswer(client, sent.answers[0]?.id ?? '');
    await client.dispose();
    expect(JSON.parse(end?.answer.text ?? '')).toMatchObject({ maxOutputTokens: null });
  }
});
