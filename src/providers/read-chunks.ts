import type { Readable } from 'node:stream';
import { ProviderError } from './failure.ts';

export interface ReadOptions {
  /** Ends the reading when aborted; its reason is thrown. */
  signal: AbortSignal;
  /** Longest silence to bear from now on, in milliseconds; asked anew after every chunk. */
  silenceMs: () => number;
}

/**
 * Hands every chunk of a response body to a callback as it arrives, until the body or the callback says 'end'. Owns the body:
 * it is read out or destroyed when this settles. Throws ProviderError: TIMEOUT after too much silence, STREAM_CUT if the
 * connection is lost; an exception of the callback is passed on unchanged.
 */
export function readChunks(
  body: Readable,
  { signal, silenceMs }: ReadOptions,
  onChunk: (chunk: Uint8Array) => 'end' | undefined,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let silence: NodeJS.Timeout | undefined;
  let borneMs = 0;

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
    try {
      if (onChunk(chunk) !== 'end') return listen();
    } catch (error) {
      return fail(error);
    }
    release();
    readOut(body);
    resolve();
  }
  function end() {
    release();
    resolve();
  }
  function cut() {
    fail(signal.aborted ? signal.reason : new ProviderError('STREAM_CUT'));
  }
  function release() {
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
}

// Cheaper than a new TLS handshake; what takes longer is not.
const READ_OUT_BYTES = 65_536;
const READ_OUT_MS = 500;
