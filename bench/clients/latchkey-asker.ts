import type { Asker, Question } from './asker.ts';
import {
  ANSWER_EVENTS,
  type AnswerEvent,
  CREATE_THREAD,
  type CreateThread,
  SEND_MESSAGE,
  type SendMessage,
  THREAD_EVENTS,
  type ThreadEvent,
} from './documents.ts';
import { GraphqlSocket } from './graphql-socket.ts';
import { type LatchkeyTarget, personOf } from './target.ts';
import { readAnswerEvent, ThreadFollower } from './thread-follower.ts';

/** A person with a new thread. Those whose answers others follow ask in the workspace that all share. */
export async function openLatchkeyAsker(target: LatchkeyTarget, question: Question): Promise<Asker> {
  const { prompt, models, follow } = question;
  const person = personOf(target, prompt.stream);
  const isShared = follow === 'nothing';
  const { workspaceId, models: ids } = isShared ? target.shared : person.personal;
  const socket = await GraphqlSocket.open(`${target.url}/graphql`, person);
  const visibility = isShared ? 'WORKSPACE' : 'PRIVATE';
  const { createThread } = await socket.request<CreateThread>(CREATE_THREAD, {
    input: { workspaceId, visibility },
  });
  const threadId = createThread.thread.id;
  if (follow === 'thread-events') await followThread(socket, threadId, question);
  const input = { threadId, text: JSON.stringify(prompt), modelIds: models.map((name) => ids[name]) };
  return {
    async ask() {
      const { sendMessage } = await socket.request<SendMessage>(SEND_MESSAGE, { input });
      if (sendMessage.__typename !== 'SendMessagePayload') throw new Error(JSON.stringify(sendMessage));
      if (follow === 'answer-events') followAnswers(socket, sendMessage, question);
      return { threadId, answerId: sendMessage.answers[0]?.id ?? '' };
    },
    close: () => socket.close(),
  };
}

/** Resolves once the subscription has begun. */
function followThread(socket: GraphqlSocket, threadId: string, question: Question): Promise<void> {
  const follower = new ThreadFollower(question.readersByModel);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.subscribe<{ threadEvents: ThreadEvent }>(
    THREAD_EVENTS,
    { threadId },
    {
      onData({ threadEvents }) {
        resolve();
        follower.read(threadEvents);
      },
      onFailure(reason) {
        for (const reader of question.readersByModel.values()) reader.fail(reason);
      },
    },
  );
  return promise;
}

function followAnswers(
  socket: GraphqlSocket,
  { answers }: SendMessage['sendMessage'],
  { readersByModel }: Question,
): void {
  for (const { id, modelName = '' } of answers) {
    const reader = readersByModel.get(modelName);
    if (reader === undefined) throw new Error(`an answer of ${modelName} was not asked for`);
    socket.subscribe<{ answerEvents: AnswerEvent }>(
      ANSWER_EVENTS,
      { answerId: id },
      {
        onData: ({ answerEvents }) => readAnswerEvent(reader, answerEvents),
        onFailure: (reason) => reader.fail(reason),
      },
    );
  }
}
