import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from 'better-auth/node';
import { createSessions, type Sessions } from '../accounts/session.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { failureName, log } from '../log.ts';
import { createGraphQL, type Yoga } from './graphql.ts';
import { isReady } from './health.ts';
import { createPages, type ServePage } from './page.ts';
import { restsOnCookie } from './viewer.ts';
import { serveWebSocket } from './websocket.ts';

export interface RunningServer {
  /** Where it can be reached, without a trailing slash. */
  url: string;
  /** Closes every connection. Answers go on until the app is closed. */
  close(): Promise<void>;
}

/** Listens and serves the API over HTTP, server-sent events and WebSocket. */
export async function startServer(app: App, config: Config): Promise<RunningServer> {
  const server = createServer({ maxHeaderSize: 16 * 1024, requestTimeout: 60_000 });
  await listen(server, config);
  const { port } = server.address() as AddressInfo;
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  const publicUrl = config.publicUrl ?? url;
  const sessions = createSessions({
    db: app.db,
    secret: app.authSecret,
    publicUrl,
    allowedOrigins: config.allowedOrigins,
    signUp: config.signUp,
  });
  const yoga = createGraphQL(app, sessions, config);
  const servePage = createPages(app, config, publicUrl);
  server.on('request', createHandler(app, sessions, yoga, servePage));
  const closeSockets = serveWebSocket(server, yoga, sessions, { ...config, publicUrl });
  return {
    url,
    async close() {
      await closeSockets();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function createHandler(app: App, sessions: Sessions, yoga: Yoga, servePage: ServePage) {
  const auth = toNodeHandler(sessions.handler);
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('x-request-id', randomUUID());
    const path = request.url?.split('?')[0] ?? '/';
    try {
      if (path.startsWith('/api/auth/')) await auth(request, response);
      else if (path === '/graphql' && !isAskedForPage(request)) await serveGraphQL(yoga, request, response);
      else if (path === '/health/live') sendText(response, 200, 'live');
      else if (path === '/health/ready') await serveReadiness(app, response);
      else await servePage(path, request, response);
    } catch (error) {
      log.error({ path, failure: failureName(error) }, 'a request failed');
      if (response.headersSent) response.destroy();
      else sendText(response, 500, 'Unexpected error.');
    }
  };
}

/** Whether a browser is being pointed at this path, rather than a program sending an operation. */
function isAskedForPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.accept?.includes('text/html') === true;
}

/** A foreign page can make a browser send the cookie, but neither this header nor this content type. */
async function serveGraphQL(yoga: Yoga, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { headers } = request;
  if (request.method === 'GET' || request.method === 'HEAD')
    sendText(response, 405, 'Send operations with POST.', { allow: 'POST' });
  else if (request.method === 'POST' && !/^application\/json\b/i.test(headers['content-type'] ?? ''))
    sendText(response, 415, 'Send the operation as application/json.');
  else if (request.method === 'POST' && restsOnCookie(request) && headers['x-latchkey-csrf'] === undefined)
    sendText(response, 403, 'Requests with a session cookie need the header x-latchkey-csrf: 1.');
  else await yoga(request, response);
}

async function serveReadiness(app: App, response: ServerResponse): Promise<void> {
  if (await isReady(app.db)) sendText(response, 200, 'ready');
  else sendText(response, 503, 'The database does not answer.');
}

function sendText(response: ServerResponse, status: number, text: string, headers: object = {}): void {
  const safe = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  response.writeHead(status, { ...safe, ...headers }).end(`${text}\n`);
}

async function listen(server: Server, { port, host }: Config): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
