import { AwsClient } from 'aws4fetch';
import { failureCode, log } from '../log.ts';
import { waited } from '../waited.ts';

/** A bucket of an S3-compatible service and the key to it. Holds a secret: not for the log. */
export interface BucketAccess {
  /** Without a slash at the end, e.g. `https://s3.eu-central-1.amazonaws.com`. */
  endpoint: string;
  bucket: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** A request to the bucket. Its body is made anew for each try. */
export interface BucketRequest {
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  headers?: Readonly<Record<string, string>>;
  body?: () => ReadableStream<Uint8Array>;
  /** Longest time until the response begins. */
  timeoutMs: number;
}

/** The bucket did not do what it was asked to. Holds no header and no text of its, which may name keys. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
  /** S3's code, or Node's where there was no response, e.g. `NoSuchBucket`, `ECONNREFUSED`. */
  readonly code: string;
  /** Null if there was no response. */
  readonly status: number | null;

  constructor(status: number | null, code: string) {
    super('The bucket failed.');
    this.status = status;
    this.code = code;
  }
}

/**
 * Sends signed requests about the objects of one bucket, in path style, since every service and every certificate knows that. What
 * fails and may pass is tried again a few times.
 */
export class BucketClient {
  readonly #access: BucketAccess;
  readonly #signer: AwsClient;

  constructor(access: BucketAccess) {
    const { accessKeyId, secretAccessKey, region } = access;
    this.#access = access;
    this.#signer = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 });
  }

  /** The response to a request about an object; null if there is no such object. Throws BucketError, or the signal's reason. */
  async send(name: string, request: BucketRequest, signal: AbortSignal): Promise<Response | null> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#try(name, request, signal);
      } catch (error) {
        signal.throwIfAborted();
        const mayPass = error instanceof BucketError && isWorthRepeating(error);
        if (!mayPass || tries === MAX_TRIES) throw error;
        log.warn({ code: error.code, status: error.status }, 'the bucket failed and is asked again');
        if (!(await waited(FIRST_DELAY_MS * 4 ** (tries - 1), signal))) throw error;
      }
    }
  }

  async #try(name: string, request: BucketRequest, signal: AbortSignal): Promise<Response | null> {
    const { endpoint, bucket } = this.#access;
    const { method, headers = {}, body, timeoutMs } = request;
    const begun = new AbortController();
    const timer = setTimeout(() => begun.abort(new BucketError(null, 'TIMEOUT')), timeoutMs);
    try {
      const signed = await this.#signer.sign(`${endpoint}/${bucket}/${name}`, {
        method,
        headers: { ...headers },
        ...(body !== undefined && { body: body() }),
      });
      const response = await fetch(signed, {
        redirect: 'manual', // the answer then says which region the bucket is in
        signal: AbortSignal.any([signal, begun.signal]),
      });
      if (response.ok) {
        if (method !== 'GET') await response.body?.cancel(); // so that the connection is free again
        return response;
      }
      const code = await codeIn(response);
      if (response.status === 404 && code !== 'NoSuchBucket') return null;
      throw new BucketError(response.status, code);
    } catch (error) {
      if (error instanceof BucketError) throw error;
      throw new BucketError(null, failureCode(error) ?? 'NO_RESPONSE');
    } finally {
      clearTimeout(timer);
    }
  }
}

/** S3 gives the code of an error as XML, and none with a HEAD. */
async function codeIn(response: Response): Promise<string> {
  const text = await response.text();
  return /<Code>(\w{1,100})<\/Code>/.exec(text.slice(0, MOST_OF_ERROR))?.[1] ?? `HTTP_${response.status}`;
}

function isWorthRepeating({ status }: BucketError): boolean {
  return status === null || status >= 500 || status === 408 || status === 429;
}

const MAX_TRIES = 3;
const FIRST_DELAY_MS = 250;
const MOST_OF_ERROR = 4_096;
