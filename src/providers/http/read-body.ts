import type { Readable } from 'node:stream';
import { classifyFailure, ProviderError } from '../failure/failure.ts';
import type { ProviderName } from '../provider.ts';
import { type ReadOptions, readChunks } from './read-chunks.ts';
import type { ResponseHeaders } from './retry-after.ts';

/**
 * The whole of a response body as text, for responses that are no stream. Throws ProviderError: OUTPUT_TOO_LARGE beyond
 * `limitBytes` (default 10 MiB; the longest model list has 1 MiB), TIMEOUT and STREAM_CUT as `readChunks` does.
 */
export async function readBody(
  body: Readable,
  options: ReadOptions & { limitBytes?: number },
): Promise<string> {
  const { limitBytes = BODY_BYTES } = options;
  const chunks: Uint8Array[] = [];
  let lengthBytes = 0;
  await readChunks(body, options, (chunk) => {
    lengthBytes += chunk.length;
    if (lengthBytes > limitBytes) throw new ProviderError('OUTPUT_TOO_LARGE');
    chunks.push(chunk);
    return undefined;
  });
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/**
 * Reads and classifies an error response. A body that is too long, stalls or breaks off is classified by the part that arrived:
 * even the status alone is more precise than a failure to read it. Throws only `signal.reason`.
 */
export async function readFailure(
  provider: ProviderName,
  response: { status: number; headers: ResponseHeaders; body: Readable },
  options: ReadOptions & { secrets: readonly string[] },
): Promise<ProviderError> {
  const decoder = new TextDecoder();
  let body = '';
  try {
    await readChunks(response.body, options, (chunk) => {
      body += decoder.decode(chunk, { stream: true });
      return body.length > ERROR_BODY_LENGTH ? 'end' : undefined;
    });
  } catch {
    options.signal.throwIfAborted();
  }
  const { status, headers } = response;
  return classifyFailure(provider, { status, headers, body, secrets: options.secrets });
}

const BODY_BYTES = 10_485_760;
// As much as the classification reads.
const ERROR_BODY_LENGTH = 65_536;
