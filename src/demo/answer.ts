import type { DemoClient } from './client.ts';
import { faint, line, paragraph, strong, TEXT_WIDTH } from './paper.ts';
import { wrap, wrapSettled } from './wrap.ts';

/** Prints an answer word by word as it is written, after the reasoning that the model shows. */
export async function printAnswer(client: DemoClient, answerId: string): Promise<void> {
  let current: GrowingPart | null = null;
  for await (const { part, text } of deltas(client, answerId)) {
    if (text === '') continue;
    if (part !== current?.part) {
      current?.end();
      current = beginPart(part, current !== null);
    }
    current.add(text);
  }
  current?.end();
}

function beginPart(part: Delta['part'], isSecond: boolean): GrowingPart {
  if (isSecond) line();
  if (part === 'TEXT') return { part, ...growingParagraph() };
  line(faint('Thinking'));
  return { part, ...growingParagraph(faint) };
}

type GrowingPart = Pick<Delta, 'part'> & ReturnType<typeof growingParagraph>;

/** A paragraph that is printed up to its last whole word, and its last word when it ends. */
function growingParagraph(style?: (text: string) => string) {
  const write = paragraph(style);
  let text = '';
  let printed = 0;
  function print(wrapped: string): void {
    write(wrapped.slice(printed));
    printed = wrapped.length;
  }
  return {
    add(delta: string): void {
      text += delta;
      print(wrapSettled(plain(text), TEXT_WIDTH));
    },
    end(): void {
      print(wrap(plain(text), TEXT_WIDTH).join('\n'));
      line();
    },
  };
}

/** Prints two answers in columns, each line as soon as both have come that far. */
export async function printSideBySide(
  client: DemoClient,
  titles: readonly [string, string],
  answerIds: readonly string[],
): Promise<void> {
  const columns = answerIds.map(() => ({ text: '', isEnded: false }));
  let printed = 0;
  function printReady(): void {
    const lines = columns.map(({ text, isEnded }) => {
      const wrapped = wrap(plain(text), COLUMN_WIDTH);
      return { wrapped, ready: isEnded ? Number.POSITIVE_INFINITY : wrapped.length - 1 };
    });
    const longest = Math.max(...lines.map(({ wrapped }) => wrapped.length));
    const ready = Math.min(longest, ...lines.map((column) => column.ready));
    for (; printed < ready; printed++) line(row(lines.map(({ wrapped }) => wrapped[printed] ?? '')));
  }
  line(strong(row(titles)));
  line(faint(row(titles.map(() => '─'.repeat(COLUMN_WIDTH)))));
  await Promise.all(
    columns.map(async (column, index) => {
      for await (const { part, text } of deltas(client, answerIds[index] ?? '')) {
        if (part === 'TEXT') column.text += text;
        printReady();
      }
      column.isEnded = true;
      printReady();
    }),
  );
}

const GAP = '    ';
const COLUMN_WIDTH = (TEXT_WIDTH - GAP.length) / 2;

function row(cells: readonly string[]): string {
  return cells
    .map((cell) => cell.padEnd(COLUMN_WIDTH))
    .join(GAP)
    .trimEnd();
}

/** What is added to an answer. Its end has the whole of both parts, in case it came before the subscription. */
async function* deltas(client: DemoClient, answerId: string): AsyncGenerator<Delta> {
  const heldLength = { REASONING: 0, TEXT: 0 };
  for await (const event of client.follow(answerId)) {
    if (event.__typename === 'AnswerFailed') throw new Error(event.error.message);
    if (event.__typename === 'AnswerFinished') {
      yield { part: 'REASONING', text: event.answer.reasoning.slice(heldLength.REASONING) };
      yield { part: 'TEXT', text: event.answer.text.slice(heldLength.TEXT) };
    }
    if (event.__typename !== 'AnswerDelta') continue;
    const { part, offset, text } = event;
    heldLength[part] = offset + text.length;
    yield { part, text };
  }
}

interface Delta {
  part: 'REASONING' | 'TEXT';
  text: string;
}

/** Removes the asterisks of Markdown. */
function plain(text: string): string {
  return text.replaceAll('**', '');
}
