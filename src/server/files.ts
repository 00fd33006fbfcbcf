import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PersonLimits } from '../execution/person-limits.ts';
import type { Place } from '../execution/unread-bytes.ts';
import type { FileDeps } from '../files/file-deps.ts';
import type { BodyDeadlines } from './body-deadlines.ts';
import { serveDownload } from './download.ts';
import { allowOrigin, type Origins } from './origins.ts';
import { sendText } from './response.ts';
import { serveUpload } from './upload.ts';

/**
 * Answers `/files/…`. A link is the whole right: no cookie and no token is read, so a page of another origin can do nothing here
 * that it could not do with the link alone.
 */
export async function serveFiles(
  { app, limits, deadlines, origins }: FileRoute,
  request: IncomingMessage,
  response: ServerResponse,
  { place, expectsContinue }: { place: Place; expectsContinue: boolean },
): Promise<void> {
  response.setHeader('cache-control', 'no-store');
  if (allowOrigin(request, response, origins, METHODS)) return;
  const url = new URL(`http://latchkey${request.url}`);
  switch (request.method) {
    case 'PUT':
      return await serveUpload(app, deadlines, url, { request, response, expectsContinue });
    case 'GET':
    case 'HEAD':
      return await serveDownload(app, limits, url, { request, response, place });
    default:
      return sendText(response, 405, 'Send GET, HEAD or PUT.', { allow: METHODS });
  }
}

interface FileRoute {
  app: FileDeps;
  limits: PersonLimits;
  deadlines: BodyDeadlines;
  origins: Origins;
}

const METHODS = 'GET, HEAD, PUT';
