import { type IncomingMessage, request } from 'node:http';
import { createParser } from 'eventsource-parser';
import { chatRequest, MODEL } from '../run.ts';
import { type Asker, onlyReader, type Question } from './asker.ts';

/** The pipe passes on OpenAI's own protocol. */
export function openPipeAsker(url: string, question: Question): Asker {
  const body = chatRequest(JSON.stringify(question.prompt), MODEL);
  return openHttpAsker(url, question, body, (event) => {
    const { choices } = JSON.parse(event) as { choices: { delta: { content?: string } }[] };
    return choices[0]?.delta.content ?? '';
  });
}

/** The protocol of the AI SDK's own clients. */
export function openAiSdkAsker(url: string, question: Question): Asker {
  return openHttpAsker(url, question, JSON.stringify(question.prompt), (event) => {
    const { type, delta = '' } = JSON.parse(event) as { type: string; delta?: string };
    return type === 'text-delta' ? delta : '';
  });
}

/** Posts when asked, and reads the events of the response; `textOf` reads one of them. */
function openHttpAsker(
  url: string,
  question: Question,
  body: string,
  textOf: (event: string) => string,
): Asker {
  const reader = onlyReader(question);
  function read(response: IncomingMessage): void {
    let offset = 0;
    let text = '';
    const parser = createParser({
      onEvent({ data }) {
        if (data !== '[DONE]') {
          text += textOf(data);
          return;
        }
        flush();
        reader.finish();
      },
    });
    const flush = () => {
      if (text !== '') reader.add(offset, text);
      offset += text.length;
      text = '';
    };
    response.setEncoding('utf8');
    response.on('data', (piece: string) => {
      parser.feed(piece);
      flush();
    });
  }
  return {
    ask() {
      const call = request(url, { method: 'POST' }, read);
      call.on('error', (error) => reader.fail(error.message));
      call.end(body);
      return Promise.resolve({ threadId: '', answerId: '' });
    },
    close() {},
  };
}
