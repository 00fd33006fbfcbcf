import { expect, test } from 'vitest';
import { documentOf } from './kit/person.ts';
import { openFor } from './kit/raw-socket.ts';
import { startScriptedProvider } from './kit/scripted-provider.ts';
import { startTestServer } from './kit/server.ts';

test('opening a thread connects to the provider that answered there, and the next question is asked over that connection', async () => {
  await using provider = await startScriptedProvider();
  await using server = await startTestServer({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: provider.host });
  const ada = await server.signUp();
  const { models } = await ada.addKey('CUSTOM', 'none', { baseUrl: provider.baseUrl });
  const { thread } = await ada.ask('First?', models);
  const first = await provider.nextCall();
  first.write({ content: 'Yes.' });
  first.finish();
  provider.hangUp();

  const connected = provider.nextConnection();
  const opened = await openFor(ada);
  const query = documentOf('thread-events');
  opened.send({ id: 'open', type: 'subscribe', payload: { query, variables: { threadId: thread.id } } });
  const socket = await connected;
  await ada.ask('Second?', models, thread.id);
  const second = await provider.nextCall();
  expect(second.socket).toBe(socket);
  second.finish();
  opened.socket.terminate();
});
