import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileDeps } from '../files/file-deps.ts';
import type { UploadTarget } from '../files/file-urls.ts';
import { receiveUpload, type UploadResult } from '../files/receive-upload.ts';
import { isOutOfRoom } from '../files/store.ts';
import { uploadTimeMs } from '../files/upload-limits.ts';
import type { BodyDeadlines } from './body-deadlines.ts';
import { LINGER_MS, UPLOAD_IDLE_MS } from './policy.ts';
import { sendJson } from './response.ts';

/** An upload over HTTP. */
export interface UploadRequest {
  request: IncomingMessage;
  response: ServerResponse;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  expectsContinue: boolean;
}

/**
 * Answers `PUT /files/…`: 204 once the bytes are kept. Everything that can be refused before a byte is read is, so that a client
 * which asks first (`Expect: 100-continue`) sends nothing in vain.
 */
export async function serveUpload(
  deps: FileDeps,
  deadlines: BodyDeadlines,
  url: URL,
  upload: UploadRequest,
): Promise<void> {
  const { request, response } = upload;
  const target = deps.fileUrls.readUpload(url);
  const refusal = target === null ? NO_LINK : refusalOfHeaders(request, target);
  if (target === null || refusal !== null) return refuse(upload, refusal ?? NO_LINK);
  const times = { totalMs: uploadTimeMs(target.sizeBytes), idleMs: UPLOAD_IDLE_MS };
  deadlines.watch(request, response, times);
  const result = await receive(deps, target, upload);
  if (result.type !== 'kept') return refuse(upload, refusalOf(result, target));
  const digest = Buffer.from(result.sha256).toString('base64');
  response.writeHead(204, { 'repr-digest': `sha-256=:${digest}:` }).end();
}

async function receive(
  deps: FileDeps,
  target: UploadTarget,
  { request, response, expectsContinue }: UploadRequest,
): Promise<UploadResult | { type: 'no-room' }> {
  const cut = new AbortController();
  request.once('close', () => {
    if (!request.complete) cut.abort();
  });
  const read = () => {
    if (expectsContinue) response.writeContinue();
    // Destroying the request when the reading ends early would take the connection from the answer.
    return request.iterator({ destroyOnReturn: false });
  };
  const receiving = receiveUpload(deps, target, { read, signal: cut.signal });
  // A shutdown waits until what it cut is removed.
  deps.track(
    receiving.then(
      () => {},
      () => {},
    ),
  );
  try {
    return await receiving;
  } catch (error) {
    if (isOutOfRoom(error)) return { type: 'no-room' };
    throw error;
  }
}

interface Refusal {
  status: number;
  code: string;
  message: string;
  headers?: Readonly<Record<string, string>>;
}

function refusalOfHeaders({ headers }: IncomingMessage, { sizeBytes }: UploadTarget): Refusal | null {
  if (headers['content-encoding'] !== undefined) return ENCODED;
  const length = headers['content-length'];
  if (length === undefined || Number(length) === sizeBytes) return null;
  return wrongSize(sizeBytes, Number(length) > sizeBytes);
}

function refusalOf(
  result: Exclude<UploadResult, { type: 'kept' }> | { type: 'no-room' },
  { sizeBytes }: UploadTarget,
): Refusal {
  switch (result.type) {
    case 'gone':
      return {
        status: 404,
        code: 'NOT_FOUND',
        message: 'There is no such file, or you have no access to it.',
      };
    case 'already-there':
      return { status: 409, code: 'ALREADY_UPLOADED', message: 'The bytes of this file are here already.' };
    case 'overtaken':
      return {
        status: 409,
        code: 'OVERTAKEN',
        message:
          'A later upload of this file is under way, or was. If it does not arrive, send the bytes again.',
      };
    case 'too-often':
      return {
        status: 409,
        code: 'TOO_MANY_TRIES',
        message: 'This upload was begun too often. Create the attachment again.',
      };
    case 'wrong-size':
      return wrongSize(sizeBytes, result.isTooLong);
    case 'full':
      return {
        status: result.of === 'person' ? 429 : 503,
        code: 'TOO_MANY_UPLOADS',
        message:
          result.of === 'person'
            ? `You upload ${result.most} files at a time already, which is the most. Wait until one has arrived.`
            : 'This server takes no further uploads at the moment. Try again in a moment.',
        headers: { 'retry-after': '5' },
      };
    case 'no-room':
      return {
        status: 507,
        code: 'NO_ROOM',
        message: 'This server has no room for the file. Tell its operator.',
      };
    default:
      return result satisfies never;
  }
}

function wrongSize(sizeBytes: number, isTooLong: boolean): Refusal {
  const message = `The file does not have the ${sizeBytes} bytes that were announced. Create the attachment again.`;
  return { status: isTooLong ? 413 : 400, code: 'WRONG_SIZE', message };
}

/**
 * Refuses, and reads what the client goes on sending for a moment: if the connection were closed under it, the client would see a
 * reset in the place of the answer.
 */
function refuse({ request, response }: UploadRequest, { status, code, message, headers }: Refusal): void {
  const body = { code, message };
  if (request.complete) {
    sendJson(response, status, body, headers);
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json', ...headers, connection: 'close' });
  response.write(JSON.stringify(body));
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.once('close', end).once('end', end).resume();
}

const NO_LINK: Refusal = {
  status: 403,
  code: 'LINK_NOT_VALID',
  message: 'This link is not valid, or has run out. Create the attachment again.',
};
const ENCODED: Refusal = {
  status: 415,
  code: 'UNSUPPORTED',
  message: 'Send the bytes of the file as they are, without a Content-Encoding.',
};
