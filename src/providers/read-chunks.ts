import type { Readable } from 'node:stream';
import { ProviderError } from './failure.ts';
import { loopShare } from './loop-share.ts';

export interface ReadOptions {
  /** Ends the reading when aborted; its reason is thrown. */
  signal: AbortSignal;
  /** Longest silence to bear from now on, in milliseconds; asked anew after every chunk. */
  silenceMs: () => number;
  /** Workspace or team whose server is read: it gets no more than its share of the event loop. No limit if absent. */
  ownerId?: string | undefined;
  /** Characters of text and reasoning that came of it so far; bytes that bring none are limited. No limit if absent. */
  shownLength?: (() => number) | undefined;
}

/**
 * Hands every chunk of a response body to a callback as it arrives, in pieces of at most 16 KiB, until the body or the callback
 * says 'end'. While the owner's share of the event loop is used up, the body waits, and the provider with it. Owns the body: it
 * is read out or destroyed when this settles. Throws ProviderError: TIMEOUT after too much silence, STREAM_CUT if the connection
 * is lost, OUTPUT_TOO_LARGE for more bytes than what came of them is worth; an exception of the callback is passed on unchanged.
 */
export function readChunks(
  body: Readable,
  { signal, silenceMs, ownerId, shownLength }: ReadOptions,
  onChunk: (chunk: Uint8Array) => 'end' | undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let silence: NodeJS.Timeout | undefined;
  let borneMs = 0;
  let isSettled = false;
  let readBytes = 0;
  let pieces: Uint8Array[] = [];
  /** What the connection came to while pieces of it were waiting. */
  let ending: (() => void) | null = null;

  function fail(error: unknown) {
    release();
    body.destroy();
    reject(error);
  }
  function listen() {
    const bearableMs = silenceMs();
    // Setting a timer anew for each token costs more than reading the token.
    if (bearableMs === borneMs) return void silence?.refresh();
    clearTimeout(silence);
    borneMs = bearableMs;
    silence = setTimeout(() => fail(new ProviderError('TIMEOUT')), bearableMs);
  }
  function take(chunk: Uint8Array) {
    for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
      pieces.push(chunk.subarray(start, start + PIECE_BYTES));
    }
    if (ownerId === undefined) {
      while (takePiece());
    } else if (!loopShare.run(ownerId, takePiece)) {
      // The silence from now on is ours.
      clearTimeout(silence);
      borneMs = 0;
      body.pause();
    }
  }
  function requireWorth() {
    if (readBytes <= IDLE_BYTES || shownLength === undefined) return;
    if (readBytes > IDLE_BYTES + shownLength() * BYTES_A_CHARACTER)
      throw new ProviderError('OUTPUT_TOO_LARGE');
  }
  /** True if more pieces are waiting. */
  function takePiece(): boolean {
    const piece = pieces.shift();
    if (isSettled || piece === undefined) return false;
    try {
      readBytes += piece.length;
      requireWorth();
      if (onChunk(piece) === 'end') {
        release();
        readOut(body);
        resolve();
        return false;
      }
    } catch (error) {
      fail(error);
      return false;
    }
    if (pieces.length > 0) return true;
    if (ending !== null) {
      ending();
      return false;
    }
    listen();
    if (body.isPaused()) body.resume();
    return false;
  }
  /** What arrived before counts first. */
  function conclude(conclusion: () => void) {
    if (pieces.length > 0) ending = conclusion;
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
    isSettled = true;
    pieces = [];
    clearTimeout(silence);
    signal.removeEventListener('abort', cut);
    body.off('data', take).off('end', end).off('close', cut);
  }

  // Stays for good: a destroyed body emits one more error, and an error that nobody hears ends the process.
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

/** Lets the few bytes after the last event come in, so that the connection can serve another call; gives up soon. */
function readOut(body: Readable): void {
  let leftBytes = READ_OUT_BYTES;
  const timer = setTimeout(() => body.destroy(), READ_OUT_MS);
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

// Cheaper than a new TLS handshake; what takes longer is not.
const READ_OUT_BYTES = 65_536;
const READ_OUT_MS = 500;
