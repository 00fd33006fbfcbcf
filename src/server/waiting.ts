import { createServer } from 'node:http';
import type { Config } from '../config.ts';
import { listen, REQUEST_LIMITS } from './http.ts';
import { BODY_TIMEOUT_MS } from './policy.ts';
import { SAFE_HEADERS, sendText } from './response.ts';

/** Serves the health checks while the server waits for its database: live, not ready. Returns a function that stops it. */
export async function serveWaiting(config: Config): Promise<() => Promise<void>> {
  const limits = { ...REQUEST_LIMITS, requestTimeout: BODY_TIMEOUT_MS };
  const server = createServer(limits, (request, response) => {
    response.setHeaders(new Map(Object.entries(SAFE_HEADERS)));
    if (request.url === '/health/live') sendText(response, 200, 'live');
    else sendText(response, 503, 'The database does not answer.', { 'retry-after': '5' });
  });
  await listen(server, config);
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
}
