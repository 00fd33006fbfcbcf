import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { AttemptLimits } from '../accounts/attempt-limits.ts';
import type { PasswordHashes } from '../accounts/password-hash.ts';
import { createSessions } from '../accounts/session.ts';
import { SessionWatch } from '../accounts/session-watch.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { isTransientFailure } from '../db/transient-failure.ts';
import { OVERLOADED, RETRY_AFTER_SECONDS } from '../execution/mask-error.ts';
import { PersonLimits } from '../execution/person-limits.ts';
import { createPipeline, type Pipeline } from '../execution/pipeline.ts';
import type { Shares } from '../execution/turns.ts';
import { type Place, UnreadBytes } from '../execution/unread-bytes.ts';
import { addressOf, restsOnCookie } from '../execution/viewer.ts';
import { FILES_PATH } from '../files/file-urls.ts';
import { failureName, log, logScope } from '../log.ts';
import { serveAccount } from './account-requests.ts';
import { BodyDeadlines } from './body-deadlines.ts';
import { serveFiles } from './files.ts';
import { createLiveness, isReady } from './liveness.ts';
import { moveClients } from './move-clients.ts';
import { allowOrigin, hasUsableHost, type Origins } from './origins.ts';
import { createPages } from './pages.ts';
import {
  BODY_TIMEOUT_MS,
  CLOSE_TIMEOUT_MS,
  HEADERS_TIMEOUT_MS,
  MAX_HEADER_BYTES,
  TIMEOUT_CHECK_MS,
} from './policy.ts';
import { SAFE_HEADERS, sendJson, sendText } from './response.ts';
import { serveWebSocket } from './websocket.ts';

export interface RunningServer {
  /** Where it can be reached, without a trailing slash. */
  url: string;
  /** Is not ready any more. */
  drain(): void;
  /** Sends those who subscribe to another server, a few at a time. Resolves when all have left, and when `until` is aborted. */
  moveClients(withinMs: number, until: AbortSignal): Promise<void>;
  /** Closes every connection within a few seconds. Running answers go on until the app is closed. */
  close(): Promise<void>;
}

/** Listens and serves the API over HTTP, server-sent events and WebSocket, and files over HTTP. */
export async function startServer(
  app: App,
  config: Config,
  { hashes, bodyTimeoutMs = BODY_TIMEOUT_MS }: ServeOptions = {},
): Promise<RunningServer> {
  const server = createServer({ ...REQUEST_LIMITS, shouldUpgradeCallback: isForWebSocket });
  await listen(server, config);
  const { port } = server.address() as AddressInfo;
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  const publicUrl = config.publicUrl ?? url;
  const origins = new Set([publicUrl, ...config.allowedOrigins]);
  const sessions = createSessions({
    db: app.db,
    secret: app.authSecret,
    publicUrl,
    allowedOrigins: config.allowedOrigins,
    signUp: config.signUp,
    ...(hashes && { hashes }),
    limits: new AttemptLimits(config.attempts, config.unlimitedNetworks, app.createWindow),
    onSessionEnd: (sessionId) => app.changes.announce(sessionId, [sessionId]),
    mailer: app.mailer,
    isInvited: app.isInvited,
    removeAccount: app.removeAccount,
  });
  const shares: Shares = {
    limits: new PersonLimits(config.personLimits),
    unread: new UnreadBytes(config.unreadLimits),
  };
  const sessionWatch = new SessionWatch(app);
  const pipeline = createPipeline(app, sessions, config, publicUrl, shares, sessionWatch);
  let isDraining = false;
  const closing = new AbortController();
  const isLive = createLiveness(app.db, config.databaseUrl === undefined);
  const servePage = createPages(app, config, publicUrl);
  const inFlight = new Set<ServerResponse>();
  const deadlines = new BodyDeadlines(TIMEOUT_CHECK_MS);
  const fileRoute = { app, limits: shares.limits, deadlines, origins };
  server.on('request', (request, response) => begin(request, response, false));
  // Without a listener Node would ask every client for its body, before anything is known of it.
  server.on('checkContinue', (request, response) => begin(request, response, true));

  function begin(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const { socket } = request;
    deadlines.watch(request, response, { totalMs: bodyTimeoutMs, idleMs: bodyTimeoutMs });
    const place = shares.unread.open({
      socket,
      waitingBytes: () => response.writableLength,
      cut: () => socket.destroy(),
    });
    inFlight.add(response);
    const requestId = randomUUID();
    const scope = { requestId, startedAtMs: performance.now() };
    response.once('close', () => {
      inFlight.delete(response);
      deadlines.forget(request);
      place.close();
      logScope.run(scope, () => logEnd(request, response, isDraining));
    });
    response.setHeaders(new Map(Object.entries({ ...SAFE_HEADERS, 'x-request-id': requestId })));
    if (isDraining) response.setHeader('connection', 'close');
    void logScope.run(scope, () => answer(request, response, { place, expectsContinue }));
  }

  const { sharedReads } = app;
  const sockets = serveWebSocket(server, {
    pipeline,
    sessions,
    sessionWatch,
    sharedReads,
    shares,
    origins,
    config,
  });

  async function serveLiveness(response: ServerResponse): Promise<void> {
    if (await isLive()) sendText(response, 200, 'live');
    else sendText(response, 503, 'The embedded database does not answer any more. Start the server again.');
  }

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    { place, expectsContinue }: { place: Place; expectsContinue: boolean },
  ): Promise<void> {
    const path = request.url?.split('?')[0] ?? '/';
    try {
      if (!hasUsableHost(request)) return sendText(response, 400, 'The Host header names no host.');
      if (path.startsWith(FILES_PATH))
        return await serveFiles(fileRoute, request, response, { place, expectsContinue });
      if (expectsContinue) response.writeContinue();
      if (path.startsWith('/api/auth/')) {
        response.setHeader('cache-control', 'no-store');
        if (allowOrigin(request, response, origins)) return;
        const address = addressOf(request, config.trustedProxies);
        await serveAccount({ sessions, publicUrl }, request, response, address);
      } else if (path === '/graphql' && !isAskedForPage(request))
        await serveGraphQL({ pipeline, origins, place }, request, response);
      else if (path === '/health/live') await serveLiveness(response);
      else if (path === '/health/ready') await serveReadiness(app, isDraining, response);
      else await servePage(path, request, response);
    } catch (error) {
      if (request.destroyed && !request.complete) return; // the client has disconnected
      log.error({ path: loggedPath(path), failure: failureName(error) }, 'a request failed');
      if (response.headersSent) response.destroy();
      else if (isTransientFailure(error))
        sendJson(
          response,
          503,
          { code: 'OVERLOADED', message: OVERLOADED },
          { 'retry-after': RETRY_AFTER_SECONDS },
        );
      else sendText(response, 500, 'Unexpected error.');
    }
  }

  return {
    url,
    drain() {
      isDraining = true;
    },
    async moveClients(withinMs, until) {
      const streams = () => [...inFlight].filter(isStream).map((response) => () => response.destroy());
      await moveClients(() => [...streams(), ...sockets.open()], {
        withinMs,
        until: AbortSignal.any([until, closing.signal]),
      });
    },
    async close() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      for (const response of inFlight) if (isStream(response)) response.destroy();
      const giveUp = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      await sockets.close();
      await closed;
      clearTimeout(giveUp);
      sessionWatch.close();
      shares.unread.close();
      deadlines.close();
    },
  };
}

/**
 * Whether an Upgrade header is honoured. Any other, such as `h2c` from Java's HttpClient and `curl --http2`, is ignored (RFC 9110
 * §7.8), and the request is answered without it.
 */
function isForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** Logs the end of a request, with its path only if that is a known one: others can hold secrets. */
function logEnd(request: IncomingMessage, response: ServerResponse, isDraining: boolean): void {
  const { statusCode: status } = response;
  const path = loggedPath(request.url?.split('?')[0] ?? '/');
  // Load balancers go on asking a server that is being stopped whether it is ready.
  const isExpected = isDraining && path === '/health/ready';
  if (status < 400 || isExpected) log.debug({ path, status }, 'a request was answered');
  else log[status < 500 && status !== 429 ? 'info' : 'warn']({ path, status }, 'a request was refused');
}

function loggedPath(path: string): string | undefined {
  return LOGGED_PATHS.find((known) => path === known || (known.endsWith('/') && path.startsWith(known)));
}

const LOGGED_PATHS = ['/graphql', '/health/live', '/health/ready', '/seal.js', '/api/auth/', FILES_PATH];

/** Whether a response is an event stream, which ends only when its client leaves. */
function isStream(response: ServerResponse): boolean {
  return String(response.getHeader('content-type')).startsWith('text/event-stream');
}

/** Whether a browser navigates to this path, rather than a program sending an operation. */
function isAskedForPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.accept?.includes('text/html') === true;
}

/**
 * Serves GraphQL over HTTP. A page of a foreign origin can make a browser send the cookie, but neither the CSRF header nor this
 * content type.
 */
async function serveGraphQL(
  { pipeline, origins, place }: { pipeline: Pipeline; origins: Origins; place: Place },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { headers } = request;
  response.setHeader('cache-control', 'no-store');
  if (allowOrigin(request, response, origins)) return;
  if (request.method !== 'POST') sendText(response, 405, 'Send operations with POST.', { allow: 'POST' });
  else if (!/^application\/json\b/i.test(headers['content-type'] ?? ''))
    sendText(response, 415, 'Send the operation as application/json.');
  else if (restsOnCookie(request) && headers['x-latchkey-csrf'] === undefined)
    sendText(response, 403, 'Requests with a session cookie need the header x-latchkey-csrf: 1.');
  else await pipeline(request, response, { place });
}

async function serveReadiness(app: App, isDraining: boolean, response: ServerResponse): Promise<void> {
  if (isDraining) return sendText(response, 503, 'The server is being stopped.');
  if (await isReady(app.db)) sendText(response, 200, 'ready');
  else sendText(response, 503, 'The database does not answer, or takes no writes.');
}

/** What tests set. */
export interface ServeOptions {
  hashes?: PasswordHashes | undefined;
  /** Longest time for the body of a request that is no upload. */
  bodyTimeoutMs?: number | undefined;
}

/** Limits on the time and size of a request. Bodies have their own: see BodyDeadlines. */
export const REQUEST_LIMITS: ServerOptions = {
  maxHeaderSize: MAX_HEADER_BYTES,
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: 0,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
};

/** Listens on the configured host and port. Rejects with Node's error if that fails. */
export async function listen(server: Server, { port, host }: Config): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}
