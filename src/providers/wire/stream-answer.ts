import { isErrorEvent } from '../failure/error-body.ts';
import { classifyStreamError, ProviderError } from '../failure/failure.ts';
import type { Deadlines } from '../http/deadlines.ts';
import { readEvents, type ServerSentEvent } from '../http/sse.ts';
import type { Post, Transport } from '../http/transport.ts';
import { asObject, asObjects, type JsonObject, parseJson } from '../json.ts';
import { modelFamily } from '../kept-reasoning.ts';
import {
  type AnswerEnd,
  type AnswerSink,
  type FinishReason,
  type ProviderCall,
  secretsOf,
} from '../provider.ts';
import { type AnswerWriter, createAnswerWriter } from './answer-writer.ts';

/** Reads the events of one protocol, and whole answers in one event. It has state: one object for each answer. */
export interface WireReader {
  /** Reads an event and returns the progress of the answer. */
  read(event: JsonObject): Progress;
  /** Called for `[DONE]`, after which nothing more is read; absent in protocols without it. */
  done?(): void;
  /** Called once at the end of the stream; null if the answer is not complete. Throws for an end that means a failure. */
  end(): AnswerEnd | null;
}

/** `finished`: the answer has ended, only token counts may follow. `last`: nothing of use follows. */
export type Progress = 'open' | 'finished' | 'last';

/** The request for an answer of this model. */
export interface AnswerPost extends Post {
  model: string;
}

/** Classifies an error event of a stream. */
export type FailureIn = (event: unknown) => ProviderError;

/**
 * Requests an answer and reads its stream. Rejects with STREAM_CUT unless the reader saw the answer's end, even after a clean end
 * of the connection: providers close broken streams in the same way as whole ones. Once the end was seen, a later failure
 * does not fail the answer or delay it for long.
 */
export async function streamAnswer(
  transport: Transport,
  call: ProviderCall,
  post: AnswerPost,
  sink: AnswerSink,
  createReader: (writer: AnswerWriter, failureIn: FailureIn) => WireReader,
): Promise<AnswerEnd> {
  const { name, deadlines } = transport;
  const writer = createAnswerWriter(sink);
  const failureIn = (event: unknown) => classifyStreamError(name, event, secretsOf(call));
  const reader = createReader(writer, failureIn);
  const limits = createLimits(call.signal, deadlines);
  const intake = createIntake(reader, writer, failureIn, limits);
  const silenceMs = () =>
    writer.textLength > 0 ? deadlines.silenceAfterTextMs : deadlines.silenceBeforeTextMs;

  let loss: ProviderError | null = null;
  let isDocument = false;
  try {
    const { body, headers } = await transport.post({ ...call, signal: limits.signal }, post);
    isDocument = /json|html/i.test(String(headers['content-type'] ?? ''));
    const shownLength = () => writer.shownLength;
    const options = { signal: limits.signal, silenceMs, tenantId: call.tenantId, shownLength };
    await readEvents(body, options, intake.take);
  } catch (error) {
    // However the connection ended, the reader knows whether the answer is complete.
    if (intake.isReading || call.signal.aborted || !(error instanceof ProviderError)) throw error;
    loss = error;
  } finally {
    limits.close();
  }
  const end = reader.end();
  if (end === null) {
    throw loss ?? new ProviderError(isDocument && writer.textLength === 0 ? 'PROVIDER_ERROR' : 'STREAM_CUT');
  }
  if (end.finishReason === 'CONTENT_FILTER' && writer.textLength === 0) {
    throw new ProviderError('CONTENT_FILTERED');
  }
  // State of an answer that broke off would be refused: an item without the text that belongs to it.
  if (writer.kept.length > 0 && KEPT_ENDS.includes(end.finishReason)) {
    sink.keep({ provider: name, family: modelFamily(post.model), items: writer.kept });
  }
  return end;
}

const KEPT_ENDS: readonly FinishReason[] = ['STOP', 'LENGTH'];

/** Passes the objects in events to the reader and throws the ones that are errors as ProviderError. */
function createIntake(reader: WireReader, writer: AnswerWriter, failureIn: FailureIn, limits: Limits) {
  let isReading = false;
  let garbage = 0;

  return {
    /** Whether the reader, or the sink behind it, has thrown. */
    get isReading() {
      return isReading;
    },
    take({ event: type, data }: ServerSentEvent): 'end' | undefined {
      if (!data.startsWith('{') && data.trim() === '[DONE]') {
        reader.done?.();
        return 'end';
      }
      const json = parseJson(data);
      const object = asObject(json);
      if (object !== null) return takeObject(object, type);
      // Gemini wraps some errors, and answers that it does not stream, in an array.
      const events = asObjects(json);
      if (events.length === 0) refuseGarbage(type, json ?? data);
      return events.some((event) => takeObject(event, type) === 'end') ? 'end' : undefined;
    },
  };

  function takeObject(event: JsonObject, type: string | undefined): 'end' | undefined {
    if (isErrorEvent(event, type)) {
      if (limits.isResting) return 'end';
      throw failureIn(event);
    }
    const { textLength } = writer;
    isReading = true;
    const progress = reader.read(event);
    isReading = false;
    // Some servers write a finish word into every event: it is ignored in an event with text.
    if (progress === 'finished' && (!limits.isResting || writer.textLength > textLength)) limits.rest();
    return progress === 'last' ? 'end' : undefined;
  }

  function refuseGarbage(type: string | undefined, data: unknown): void {
    if (limits.isResting || data === '') return;
    if (type === 'error') throw failureIn(data);
    garbage += 1;
    if (garbage > GARBAGE_TOLERATED) throw new ProviderError('PROVIDER_ERROR');
  }
}

type Limits = ReturnType<typeof createLimits>;

/** Aborts a call that takes too long as a whole, or goes on for too long after its answer has ended. */
function createLimits(aborted: AbortSignal, { totalMs, silenceAfterTextMs }: Deadlines) {
  const timeUp = new AbortController();
  const abortLater = (ms: number) => setTimeout(() => timeUp.abort(new ProviderError('TIMEOUT')), ms);
  const total = abortLater(totalMs);
  let rest: NodeJS.Timeout | undefined;
  return {
    signal: AbortSignal.any([aborted, timeUp.signal]),
    get isResting() {
      return rest !== undefined;
    },
    rest() {
      clearTimeout(rest);
      rest = abortLater(Math.min(REST_MS, silenceAfterTextMs));
    },
    close() {
      clearTimeout(total);
      clearTimeout(rest);
    },
  };
}

// Token counts follow within the same second; some servers then keep the connection open, or alive.
const REST_MS = 5_000;

// Some gateways insert a line of their own; a stream of such lines is another protocol.
const GARBAGE_TOLERATED = 3;
