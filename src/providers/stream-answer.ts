import { type AnswerWriter, createAnswerWriter } from './answer-writer.ts';
import type { EgressResponse } from './egress.ts';
import { classifyStreamError, ProviderError } from './failure.ts';
import { asObject, type JsonObject, parseJson } from './json.ts';
import type { AnswerEnd, AnswerSink, ProviderCall } from './provider.ts';
import { readBody } from './read-body.ts';
import type { ReadOptions } from './read-chunks.ts';
import { readEvents } from './sse.ts';
import type { Post, Transport } from './transport.ts';

/** Reads the events of one wire family. Keeps state: one object per answer. */
export interface AnswerReader {
  /** Takes an event; true if it is the family's end mark, after which nothing more is read. */
  read(event: JsonObject): boolean;
  /** Told of `[DONE]`, after which nothing more is read; absent in families that do not know it. */
  done?(): void;
  /** Whether the answer is complete; only token counts may still follow. */
  readonly isFinished: boolean;
  /** Called once when nothing more comes; null if the answer is not complete. */
  end(): AnswerEnd | null;
}

/** Makes a ProviderError of an event that tells of an error. */
export type FailureIn = (event: JsonObject) => ProviderError;

/**
 * Asks for an answer and reads its stream. Rejects with STREAM_CUT unless the reader saw the answer's end, whichever way
 * the connection ended: providers close broken streams as politely as whole ones.
 */
export async function streamAnswer(
  transport: Transport,
  call: ProviderCall,
  post: Post,
  sink: AnswerSink,
  createReader: (writer: AnswerWriter, failureIn: FailureIn) => AnswerReader,
): Promise<AnswerEnd> {
  const { name, deadlines } = transport;
  const writer = createAnswerWriter(sink);
  const failureIn = (event: JsonObject) => classifyStreamError(name, event, call.secret);
  const reader = createReader(writer, failureIn);

  const tooLong = new AbortController();
  const timer = setTimeout(() => tooLong.abort(new ProviderError('TIMEOUT')), deadlines.totalMs);
  const signal = AbortSignal.any([call.signal, tooLong.signal]);
  const silenceMs = () => {
    const { silenceBeforeTextMs, silenceAfterTextMs } = deadlines;
    if (reader.isFinished) return Math.min(SILENCE_AFTER_END_MS, silenceAfterTextMs);
    return writer.textLength > 0 ? silenceAfterTextMs : silenceBeforeTextMs;
  };
  let loss: ProviderError | null = null;
  try {
    const response = await transport.post({ ...call, signal }, post);
    await readStream(response, { signal, silenceMs }, reader, failureIn);
  } catch (error) {
    // A complete answer stays complete when its connection breaks or falls silent afterwards: the reader knows.
    if (signal.aborted || !isLoss(error)) throw error;
    loss = error;
  } finally {
    clearTimeout(timer);
  }
  const end = reader.end();
  if (end === null) throw loss ?? new ProviderError('STREAM_CUT');
  if (end.finishReason === 'CONTENT_FILTER' && writer.textLength === 0) {
    throw new ProviderError('CONTENT_FILTERED');
  }
  return end;
}

// Token counts follow within the same second; some servers then forget to close.
const SILENCE_AFTER_END_MS = 5_000;

// Some gateways let a line of their own slip in; a stream of them is another protocol.
const GARBAGE_TOLERATED = 3;

async function readStream(
  response: EgressResponse,
  options: ReadOptions,
  reader: AnswerReader,
  failureIn: FailureIn,
): Promise<void> {
  const contentType = String(response.headers['content-type'] ?? '');
  if (/json|html/i.test(contentType)) throw await failureInDocument(response, options, failureIn);

  let garbage = 0;
  await readEvents(response.body, options, ({ data }) => {
    if (data === '[DONE]') {
      reader.done?.();
      return 'end';
    }
    const event = objectIn(data);
    if (event !== null) return reader.read(event) ? 'end' : undefined;
    garbage += 1;
    if (garbage > GARBAGE_TOLERATED) throw new ProviderError('PROVIDER_ERROR');
    return undefined;
  });
}

/** What went wrong when a whole document came in place of a stream: a provider's error, or somebody's web page. */
async function failureInDocument(
  response: EgressResponse,
  options: ReadOptions,
  failureIn: FailureIn,
): Promise<ProviderError> {
  const document = objectIn(await readBody(response.body, options));
  return document?.error ? failureIn(document) : new ProviderError('PROVIDER_ERROR');
}

/** Gemini wraps some errors in an array. */
function objectIn(data: string): JsonObject | null {
  const json = parseJson(data);
  return asObject(Array.isArray(json) ? json[0] : json);
}

function isLoss(error: unknown): error is ProviderError {
  return error instanceof ProviderError && (error.code === 'STREAM_CUT' || error.code === 'TIMEOUT');
}
