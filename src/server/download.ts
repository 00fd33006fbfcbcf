import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PersonLimits } from '../execution/person-limits.ts';
import type { Place } from '../execution/unread-bytes.ts';
import type { FileDeps } from '../files/file-deps.ts';
import { type Download, openDownload } from '../files/open-download.ts';
import { parseByteRange } from './byte-range.ts';
import { savedAs } from './content-disposition.ts';
import { sendJson } from './response.ts';

/** A download over HTTP. */
export interface DownloadRequest {
  request: IncomingMessage;
  response: ServerResponse;
  place: Place;
}

/**
 * Answers `GET /files/…` and `HEAD`: the bytes of a file, or a range of them, to be saved and never shown as a page of this
 * origin. The rights of the viewer for whom the link was made are checked each time.
 */
export async function serveDownload(
  deps: FileDeps,
  limits: PersonLimits,
  url: URL,
  { request, response, place }: DownloadRequest,
): Promise<void> {
  const link = deps.fileUrls.readDownload(url);
  if (link === null) return sendJson(response, 403, NO_LINK);
  const waitMs = limits.tryOperation(link.viewerId);
  if (waitMs !== null)
    return sendJson(response, 429, TOO_MANY, {
      'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))),
    });
  place.belongsTo(link.viewerId);
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  const download = await openDownload(deps, link, closed.signal);
  if (download === null) return sendJson(response, 404, NOT_FOUND);
  await send(download, request, response, closed.signal);
}

async function send(
  download: Download,
  { headers: asked, method }: IncomingMessage,
  response: ServerResponse,
  closed: AbortSignal,
): Promise<void> {
  const { length } = download.bytes;
  const headers = headersOf(download);
  if (asked['if-none-match'] === headers.etag) return void response.writeHead(304, headers).end();
  const ifRange = asked['if-range'];
  const isOfThis = ifRange === undefined || ifRange === headers.etag;
  const part = parseByteRange(isOfThis ? asked.range : undefined, length);
  if (part.type === 'unsatisfiable')
    return sendJson(response, 416, UNSATISFIABLE, { 'content-range': `bytes */${length}` });
  const range = part.type === 'part' ? part.range : { start: 0, end: length };
  const status = part.type === 'part' ? 206 : 200;
  headers['content-length'] = String(range.end - range.start);
  if (part.type === 'part') headers['content-range'] = `bytes ${range.start}-${range.end - 1}/${length}`;
  if (method === 'HEAD') return void response.writeHead(status, headers).end();
  for await (const chunk of download.bytes.read(range)) {
    if (closed.aborted) return;
    // Only once the first bytes have opened: a file that does not open is an error.
    if (!response.headersSent) response.writeHead(status, headers);
    if (!response.write(chunk)) await once(response, 'drain', { signal: closed }).catch(() => {});
  }
  response.end();
}

function headersOf({ attachment, sha256 }: Download): Record<string, string> {
  const { id, fileName, mediaType } = attachment;
  return {
    etag: `"${id}"`, // its bytes never change
    'content-type': SHOWN_TYPES.has(mediaType ?? '') ? String(mediaType) : 'application/octet-stream',
    'content-disposition': savedAs(fileName),
    'accept-ranges': 'bytes',
    // Kept by the browser, and fetched again only after the rights were checked.
    'cache-control': 'private, no-cache',
    'repr-digest': `sha-256=:${Buffer.from(sha256).toString('base64')}:`,
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'cross-origin',
  };
}

/** Types that a page may put into an `img`. No other type of the many that people upload is sent to a browser as what it is. */
const SHOWN_TYPES: ReadonlySet<string> = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'application/pdf',
]);

const NO_LINK = {
  code: 'LINK_NOT_VALID',
  message: 'This link is not valid, or has run out. Read the `url` of the attachment again.',
};
const NOT_FOUND = { code: 'NOT_FOUND', message: 'There is no such file, or you have no access to it.' };
const TOO_MANY = { code: 'RATE_LIMITED', message: 'Too many requests came from you. Wait a moment.' };
const UNSATISFIABLE = { code: 'BAD_RANGE', message: 'The file has no bytes in this range.' };
