import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Serves the few files that browsers fetch from here. Nothing is served that is not named below. */
export async function servePage(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const page = PAGES[path];
  if (page === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('There is nothing here.\n');
    return;
  }
  const content = await readFile(page.file);
  response.writeHead(200, {
    'content-type': page.contentType,
    'content-length': content.length,
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : content);
}

const PAGES: Readonly<Record<string, { file: URL; contentType: string } | undefined>> = {
  '/seal.js': {
    file: new URL('../../schema/seal.js', import.meta.url),
    contentType: 'text/javascript; charset=utf-8',
  },
};
