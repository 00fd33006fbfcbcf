import { type Asker, onlyReader, type Question } from './asker.ts';
import { GraphqlSocket } from './graphql-socket.ts';
import { RawSocket } from './raw-socket.ts';

export async function openRawAsker(url: string, question: Question): Promise<Asker> {
  const { prompt, models, readersByModel, follow } = question;
  const [first] = readersByModel.values();
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const socket = await RawSocket.open(url, {
    onFrame(frame) {
      if (frame.type === 'asked') return resolve();
      const reader = frame.model === undefined ? first : readersByModel.get(frame.model);
      if (frame.type === 'end') reader?.finish();
      else reader?.add(reader.length, frame.text);
    },
    onFailure(reason) {
      for (const reader of readersByModel.values()) reader.fail(reason);
    },
  });
  return {
    async ask() {
      const key = `${prompt.id}/${prompt.stream}`;
      const isFollowed = follow !== 'nothing';
      socket.send({ type: 'ask', key, prompt, models: [...models], isFollowed });
      if (!isFollowed) await asked;
      return { threadId: key, answerId: key };
    },
    close: () => socket.close(),
  };
}

const YOGA_DOCUMENT = 'subscription ($prompt: String!) { answer(prompt: $prompt) { offset text } }';

export async function openYogaAsker(url: string, question: Question): Promise<Asker> {
  const reader = onlyReader(question);
  const socket = await GraphqlSocket.open(`${url}/graphql`);
  return {
    ask() {
      const variables = { prompt: JSON.stringify(question.prompt) };
      socket.subscribe<{ answer: { offset: number; text: string } }>(YOGA_DOCUMENT, variables, {
        onData: ({ answer }) => reader.add(answer.offset, answer.text),
        onComplete: () => reader.finish(),
        onFailure: (reason) => reader.fail(reason),
      });
      return Promise.resolve({ threadId: '', answerId: '' });
    },
    close: () => socket.close(),
  };
}
