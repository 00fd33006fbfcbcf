import type { Readable } from 'node:stream';
import { createParser } from 'eventsource-parser';
import { ProviderError } from '../failure/failure.ts';
import { createFramer } from '../wire/frame-json.ts';
import { type ReadOptions, readChunks } from './read-chunks.ts';

export interface ServerSentEvent {
  /** The `event:` line; undefined where there is none, which is usual. A field `error:` counts as an event `error`. */
  event?: string | undefined;
  /** The `data:` lines, joined by line feeds. */
  data: string;
}

/**
 * Passes every server-sent event of a response body to a callback, in order and at once: nothing queues in between. JSON in the
 * body without `data:` is an event too, even if it is the whole body. After a callback that returns 'end' the rest is dropped.
 * An event that is incomplete when the body ends is still delivered, so its JSON may be cut. Resolves when the body ends, which
 * does not prove that the answer is complete: only the provider's last event does.
 *
 * Throws ProviderError: OUTPUT_TOO_LARGE for an event over a mebibyte, TIMEOUT and STREAM_CUT as `readChunks` does. An
 * exception of the callback ends the reading and is passed on unchanged.
 */
export async function readEvents(
  body: Readable,
  options: ReadOptions,
  onEvent: (event: ServerSentEvent) => 'end' | undefined,
): Promise<void> {
  let isEnded = false;
  // The parser strips the byte order mark; the decoder must not strip a second one.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const frame = createFramer();
  const parser = createParser({
    maxBufferSize: EVENT_LENGTH + FIELD_NAME_LENGTH,
    onEvent(event) {
      if (isEnded) return;
      // The parser limits what it buffers; an event that arrives in one piece is never buffered.
      if (event.data.length > EVENT_LENGTH) throw new ProviderError('OUTPUT_TOO_LARGE');
      isEnded = onEvent(event) === 'end';
    },
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') throw new ProviderError('OUTPUT_TOO_LARGE');
    },
  });

  await readChunks(body, options, (chunk) => {
    parser.feed(frame(decoder.decode(chunk, { stream: true })));
    return isEnded ? 'end' : undefined;
  });
  if (!isEnded) parser.feed(frame(`${decoder.decode()}\n\n`));
}

// In UTF-16 code units. The largest known event, a finished response repeated in full, is far smaller.
const EVENT_LENGTH = 1_048_576;
const FIELD_NAME_LENGTH = 'data: '.length;
