import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createParser } from 'eventsource-parser';
import { WebSocket } from 'ws';
import { chatRequest, type Prompt } from './run.ts';

/** Where a client connects to, and as whom. */
export type Target =
  | { kind: 'http-pipe' | 'raw-ws'; url: string }
  | { kind: 'latchkey'; url: string; people: Person[] };

export interface Person {
  token: string;
  workspaceId: string;
  modelId: string;
}

/** What a client tells while it reads one answer. */
export interface Listener {
  /** A frame, or a piece of the body over HTTP, has brought this text at this offset. */
  onText(offset: number, text: string): void;
  /** The answer has ended; a server that stores answers gives the stored text. */
  onEnd(storedText: string | undefined): void;
  onFailure(reason: string): void;
}

/** Gets a client ready to ask. Resolves with the function that asks. */
export function openClient(target: Target, prompt: Prompt, listener: Listener): Promise<() => void> {
  switch (target.kind) {
    case 'http-pipe':
      return Promise.resolve(() => followPipe(target.url, prompt, listener));
    case 'raw-ws':
      return openRawClient(target.url, prompt, listener);
    case 'latchkey':
      return openLatchkeyClient(target, prompt, listener);
    default:
      return target satisfies never;
  }
}

function followPipe(url: string, prompt: Prompt, listener: Listener): void {
  let offset = 0;
  let text = '';
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return listener.onEnd(undefined);
      const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
      text += choices[0]?.delta.content ?? '';
    },
  });
  const call = request(url, { method: 'POST' }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      parser.feed(piece);
      if (text !== '') listener.onText(offset, text);
      offset += text.length;
      text = '';
    });
  });
  call.on('error', (error) => listener.onFailure(error.message));
  call.end(chatRequest(JSON.stringify(prompt)));
}

async function openRawClient(url: string, prompt: Prompt, listener: Listener): Promise<() => void> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  let offset = 0;
  socket.on('message', (data) => {
    const { text } = JSON.parse(String(data)) as { text: string };
    listener.onText(offset, text);
    offset += text.length;
  });
  socket.on('close', () => listener.onEnd(undefined));
  socket.on('error', (error) => listener.onFailure(error.message));
  await new Promise((resolve) => socket.once('open', resolve));
  return () => socket.send(JSON.stringify(prompt));
}

interface Message {
  type: 'connection_ack' | 'next' | 'error' | 'complete' | 'ping';
  id?: string;
  payload?: { data?: Record<string, Result | undefined>; errors?: unknown };
}

interface Result {
  __typename: string;
  thread: { id: string };
  answers: { id: string }[];
  offset: number;
  text: string;
  answer: { text: string };
}

/** Makes a thread beforehand; sends a message and follows its answer when asked to, all over one socket. */
function openLatchkeyClient(
  target: Extract<Target, { kind: 'latchkey' }>,
  prompt: Prompt,
  listener: Listener,
): Promise<() => void> {
  const person = target.people[prompt.stream % target.people.length];
  if (person === undefined) throw new Error('nobody has signed up');
  const { token, workspaceId, modelId } = person;
  const { promise, resolve } = Promise.withResolvers<() => void>();
  const socket = new WebSocket(`${target.url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const send = (message: object) => socket.send(JSON.stringify(message));
  const subscribe = (id: string, query: string, variables: object) =>
    send({ id, type: 'subscribe', payload: { query, variables } });
  socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  socket.on('error', (error) => listener.onFailure(error.message));
  socket.on('close', (code) => {
    if (code !== FINISHED) listener.onFailure(`the socket closed with code ${code}`);
  });
  socket.on('message', (data) => {
    const text = String(data);
    const message = JSON.parse(text) as Message;
    if (message.type === 'connection_ack') subscribe('thread', CREATE_THREAD, { input: { workspaceId } });
    if (message.type === 'error') return listener.onFailure(text);
    if (message.type !== 'next') return;
    const [result] = Object.values(message.payload?.data ?? {});
    switch (result?.__typename) {
      case 'AnswerDelta':
        return listener.onText(result.offset, result.text);
      case 'CreateThreadPayload': {
        const input = { threadId: result.thread.id, text: JSON.stringify(prompt), modelIds: [modelId] };
        return resolve(() => subscribe('send', SEND_MESSAGE, { input }));
      }
      case 'SendMessagePayload':
        return subscribe('answer', ANSWER_EVENTS, { answerId: result.answers[0]?.id });
      case 'AnswerFinished':
        socket.close(FINISHED);
        return listener.onEnd(result.answer.text);
      default:
        listener.onFailure(text);
    }
  });
  return promise;
}

const FINISHED = 1000; // the code of an ordinary end
const CREATE_THREAD = documentOf('create-thread');
const SEND_MESSAGE = documentOf('send-message');
const ANSWER_EVENTS = documentOf('answer-events');

function documentOf(operation: string): string {
  return readFileSync(new URL(`../schema/operations/${operation}.graphql`, import.meta.url), 'utf8');
}
