import type { DemoClient } from './client.ts';
import { faint, line, paragraph, strong, TEXT_WIDTH } from './paper.ts';
import { wrap, wrapSettled } from './wrap.ts';

/** Prints an answer word by word as it is written. */
export async function printAnswer(client: DemoClient, answerId: string): Promise<void> {
  const add = paragraph();
  let text = '';
  let printed = 0;
  function print(wrapped: string): void {
    add(wrapped.slice(printed));
    printed = wrapped.length;
  }
  for await (const delta of textDeltas(client, answerId)) {
    text += delta;
    print(wrapSettled(plain(text), TEXT_WIDTH));
  }
  print(wrap(plain(text), TEXT_WIDTH).join('\n'));
  line();
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
      for await (const delta of textDeltas(client, answerIds[index] ?? '')) {
        column.text += delta;
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

/** What is added to the text of an answer. Its end has the whole text, in case it came before the subscription. */
async function* textDeltas(client: DemoClient, answerId: string): AsyncGenerator<string> {
  let heldLength = 0;
  for await (const event of client.follow(answerId)) {
    if (event.__typename === 'AnswerFailed') throw new Error(event.error.message);
    if (event.__typename === 'AnswerFinished') yield event.answer.text.slice(heldLength);
    if (event.__typename !== 'AnswerDelta' || event.part !== 'TEXT') continue;
    heldLength = event.offset + event.text.length;
    yield event.text;
  }
}

/** Removes the asterisks of Markdown. */
function plain(text: string): string {
  return text.replaceAll('**', '');
}
