import type { Readable } from 'node:stream';
import { ProviderError } from '../failure/failure.ts';
import { loopShare } from './loop-share.ts';

export interface ReadOptions {
  /** Ends the reading when aborted; its reason is thrown. */
  signal: AbortSignal;
  /** Longest silence from now on, in milliseconds; read again after every chunk. */
  silenceMs: () => number;
  /** Workspace or team that owns the key: reading gets no more than its share of the event loop. No limit if absent. */
  tenantId?: string | undefined;
  /** Characters of text and reasoning read so far; bytes without any are limited. No limit if absent. */
  shownLength?: (() => number) | undefined;
}

/**
 * Passes every chunk of a response body to a callback as it arrives, in pieces of at most 16 KiB, until the body ends or the
 * callback returns 'end'. While the tenant's share of the event loop is used up, the body is paused, which slows the provider
 * down. The body is drained or destroyed when this settles. Throws ProviderError: TIMEOUT after too much silence, STREAM_CUT if
 * the connection is lost, OUTPUT_TOO_LARGE for too many bytes without text; an exception of the callback is passed on unchanged.
 */
export function readChunks(
  body: Readable,
  { signal, silenceMs, tenantId, shownLength }: ReadOptions,
  onChunk: (chunk: Uint8Array) => 'end' | undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let silence: NodeJS.Timeout | undefined;
  let bearableMs = 0;
  let heardAtMs = 0;
  let isEnding = false;
  let readBytes = 0;
  let pieces: Uint8Array[] = [];
  let waitingBytes = 0;
  /** Whether the rest is read at the tenant's next turn. */
  let isWaiting = false;
  /** How the connection ended while chunks were still waiting. */
  let ending: (() => void) | null = null;

  function fail(error: unknown) {
    release();
    body.destroy();
    reject(error);
  }
  function listen() {
    heardAtMs = performance.now();
    const nowBearableMs = silenceMs();
    if (nowBearableMs === bearableMs) return;
    bearableMs = nowBearableMs;
    clearTimeout(silence);
    silence = setTimeout(checkSilence, bearableMs);
  }
  /** The timer is set again when it goes off, since that of every token would cost more than reading the token. */
  function checkSilence() {
    const leftMs = heardAtMs + bearableMs - performance.now();
    if (leftMs > 0) silence = setTimeout(checkSilence, leftMs);
    else fail(new ProviderError('TIMEOUT'));
  }
  function take(chunk: Uint8Array) {
    if (chunk.length <= PIECE_BYTES) pieces.push(chunk);
    else
      for (let start = 0; start < chunk.length; start += PIECE_BYTES)
        pieces.push(chunk.subarray(start, start + PIECE_BYTES));
    waitingBytes += chunk.length;
    if (isWaiting) {
      if (waitingBytes > MOST_WAITING_BYTES) body.pause();
    } else if (tenantId === undefined) {
      while (takeSome());
    } else if (!loopShare.run(tenantId, takeSome)) {
      isWaiting = true;
      // While reading is paused here, silence is not the provider's fault.
      clearTimeout(silence);
      bearableMs = 0;
    }
  }
  function requireWorth() {
    if (readBytes <= IDLE_BYTES || shownLength === undefined) return;
    if (readBytes > IDLE_BYTES + shownLength() * BYTES_A_CHARACTER)
      throw new ProviderError('OUTPUT_TOO_LARGE');
  }
  /** Reads one piece, or several small ones. True if more is waiting. */
  function takeSome(): boolean {
    let takenBytes = 0;
    while (!isEnding && takenBytes < PIECE_BYTES) {
      const piece = pieces.shift();
      if (piece === undefined) break;
      takenBytes += piece.length;
      takePiece(piece);
    }
    waitingBytes -= takenBytes;
    if (isEnding) return false;
    if (pieces.length > 0) return true;
    isWaiting = false;
    if (ending !== null) ending();
    else {
      listen();
      if (body.isPaused()) body.resume();
    }
    return false;
  }
  function takePiece(piece: Uint8Array) {
    try {
      readBytes += piece.length;
      requireWorth();
      if (onChunk(piece) !== 'end') return;
    } catch (error) {
      return fail(error);
    }
    release();
    drain(body);
    resolve();
  }
  /** Ends the reading after the chunks that are still waiting. */
  function conclude(conclusion: () => void) {
    // A body that has ended also closes.
    if (isWaiting) ending ??= conclusion;
    else conclusion();
  }
  function end() {
    conclude(() => {
      release();
      resolve();
    });
  }
  function cut() {
    if (signal.aborted) return fail(signal.reason);
    conclude(() => fail(new ProviderError('STREAM_CUT')));
  }
  function release() {
    isEnding = true;
    pieces = [];
    clearTimeout(silence);
    signal.removeEventListener('abort', cut);
    body.off('data', take).off('end', end).off('close', cut);
  }

  // Never removed: a destroyed body emits one more error, and an error without a listener ends the process.
  body.on('error', cut);
  if (signal.aborted || body.destroyed) {
    cut();
    return promise;
  }
  signal.addEventListener('abort', cut);
  body.on('end', end).on('close', cut).on('data', take);
  listen();
  return promise;
}

/** Reads the few bytes after the last event, so that the connection can be reused; gives up soon. */
function drain(body: Readable): void {
  let leftBytes = DRAIN_BYTES;
  const timer = setTimeout(() => body.destroy(), DRAIN_MS);
  body.on('data', (chunk: Uint8Array) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) body.destroy();
  });
  body.once('close', () => clearTimeout(timer));
  body.resume();
}

// A millisecond or two of the smallest events.
const PIECE_BYTES = 16_384;

// Room for a conversation that is repeated in the first event and the last, and for half an hour of keep-alives.
const IDLE_BYTES = 16_777_216;
// An event with one token takes a few hundred bytes, and a few thousand where it repeats all sources each time.
const BYTES_A_CHARACTER = 1_024;

// Small chunks are collected while reading is paused, or each would need a turn of its own.
const MOST_WAITING_BYTES = 65_536;

// Up to here draining is cheaper than a new TLS handshake.
const DRAIN_BYTES = 65_536;
const DRAIN_MS = 500;
