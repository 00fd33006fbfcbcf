import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasAnyUser } from '../accounts/user.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { graphiqlFiles } from './graphiql.ts';
import { CSS, HTML, type LoadedFile, loadFile, type PageFile, readPage, SCRIPT } from './page-file.ts';
import { sendText } from './response.ts';

/**
 * Serves the files for browsers: the front page, the pages of one-time links, GraphiQL and `seal.js` with its types. Only the
 * files named below are served, and no page loads anything from another host.
 */
export function createPages({ db }: Pick<App, 'db'>, config: Config, publicUrl: string): ServePage {
  const files: Readonly<Record<string, PageFile | undefined>> = {
    '/': {
      contentType: HTML,
      headers: { 'content-security-policy': FRONT_PAGE_POLICY },
      varies: true,
      load: () => loadFrontPage({ db }, config),
    },
    '/reset-password': {
      contentType: HTML,
      headers: { 'content-security-policy': FRONT_PAGE_POLICY },
      load: () => readPage('reset-password.html'),
    },
    '/reset-password.js': { contentType: SCRIPT, load: () => readPage('reset-password.js') },
    '/change-email': {
      contentType: HTML,
      headers: { 'content-security-policy': FRONT_PAGE_POLICY },
      load: () => readPage('change-email.html'),
    },
    '/change-email.js': { contentType: SCRIPT, load: () => readPage('change-email.js') },
    '/link-page.js': { contentType: SCRIPT, load: () => readPage('link-page.js') },
    '/front-page.css': { contentType: CSS, load: () => readPage('front-page.css') },
    '/front-page.js': { contentType: SCRIPT, load: () => readPage('front-page.js') },
    '/latchkey.svg': { contentType: 'image/svg+xml', load: () => readPage('latchkey.svg') },
    '/seal.js': {
      contentType: SCRIPT,
      // Chat pages on other origins import it as a module.
      headers: { 'access-control-allow-origin': '*' },
      load: () => readFile(new URL('../../schema/seal.js', import.meta.url)),
    },
    '/seal.d.ts': {
      contentType: 'text/plain; charset=utf-8',
      headers: { 'access-control-allow-origin': '*' },
      load: () => readFile(new URL('../../schema/seal.d.ts', import.meta.url)),
    },
    ...(config.graphiql ? graphiqlFiles() : {}),
  };
  const loaded = new Map<string, Promise<LoadedFile>>();

  return async (path, request, response) => {
    const file = Object.hasOwn(files, path) ? files[path] : undefined;
    if (file === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      sendText(response, 404, 'There is nothing here.');
      return;
    }
    if (file.contentType === HTML && isAskedByOtherName(request, config, publicUrl)) {
      response.writeHead(302, { location: publicUrl + path }).end();
      return;
    }
    const loading = loaded.get(path) ?? loadFile(file);
    if (file.varies !== true) loaded.set(path, loading);
    const { content, packed, etag } = await loading.catch((error: unknown) => {
      loaded.delete(path);
      throw error;
    });
    const headers = {
      'content-type': file.contentType,
      'cache-control': 'no-cache', // cached, but revalidated each time: an upgrade must not mix old files with new ones
      etag,
      vary: 'accept-encoding',
      ...file.headers,
    };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, headers).end();
      return;
    }
    const isPacked = /\bgzip\b/.test(String(request.headers['accept-encoding']));
    const body = isPacked ? packed : content;
    response.writeHead(200, {
      ...headers,
      'content-length': body.length,
      ...(isPacked && { 'content-encoding': 'gzip' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

/** Answers a request for the file at a path, with 404 if there is none. */
export type ServePage = (path: string, request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Forms are sent by script: without it the browser would put a password into the URL, so `form-action` forbids that. */
const FRONT_PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The front page with this server's settings filled in, so that it can be read without running a script. */
async function loadFrontPage({ db }: Pick<App, 'db'>, config: Config): Promise<string> {
  const isOpen = config.signUp === 'open' || (config.signUp === 'invited' && !(await hasAnyUser({ db })));
  const html = await readPage('front-page.html');
  return html
    .replace('data-sign-up=""', `data-sign-up="${isOpen ? 'open' : 'closed'}"`)
    .replace('data-mail=""', `data-mail="${config.mail === null ? 'off' : 'on'}"`)
    .replace('data-graphiql=""', `data-graphiql="${config.graphiql ? 'on' : 'off'}"`);
}

/**
 * Whether the request uses another loopback name than the public URL, such as `localhost` for 127.0.0.1. To browsers these are
 * different sites, and signing in works only on one of them.
 */
function isAskedByOtherName({ headers }: IncomingMessage, config: Config, publicUrl: string): boolean {
  if (!config.isLoopback || config.publicUrl !== undefined) return false;
  return LOOPBACK_NAME.test(headers.host ?? '') && headers.host !== new URL(publicUrl).host;
}

const LOOPBACK_NAME = /^(localhost|127\.[\d.]+|\[::1\])(:\d+)?$/;
