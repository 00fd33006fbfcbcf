import type { AnswerEvent, Message, ThreadEvent } from './documents.ts';
import type { Reader } from './reader.ts';

/** Gives the events of one answer to its reader. */
export function readAnswerEvent(reader: Reader, event: AnswerEvent): void {
  switch (event.__typename) {
    case 'AnswerDelta':
      reader.add(event.offset, event.text);
      return;
    case 'AnswerFinished':
      reader.finish(event.answer.text);
      return;
    default:
      reader.fail(`received ${JSON.stringify(event)}`);
      return;
  }
}

/** Passes the events of a thread to the readers of its answers, by their models. */
export class ThreadFollower {
  readonly #readersByModel: ReadonlyMap<string, Reader>;
  readonly #readersByAnswer = new Map<string, Reader>();

  constructor(readersByModel: ReadonlyMap<string, Reader>) {
    this.#readersByModel = readersByModel;
  }

  read(event: ThreadEvent): void {
    switch (event.__typename) {
      case 'ThreadSnapshot':
        for (const message of event.writing) this.#begin(message);
        return;
      case 'MessageAdded':
        this.#begin(event.message);
        return;
      case 'AnswerDelta':
        this.#readersByAnswer.get(event.answerId)?.add(event.offset, event.text);
        return;
      case 'AnswerFinished':
        this.#readersByAnswer.get(event.answer.id)?.finish(event.answer.text);
        return;
      case 'ThreadUpdated':
        return;
      default:
        for (const reader of this.#readersByModel.values()) reader.fail(`received ${JSON.stringify(event)}`);
    }
  }

  #begin({ id, modelName, text }: Message): void {
    const reader = this.#readersByModel.get(modelName ?? '');
    if (reader === undefined || this.#readersByAnswer.has(id)) return;
    this.#readersByAnswer.set(id, reader);
    if (text !== '') reader.add(0, text);
  }
}
