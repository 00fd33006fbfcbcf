import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { KEY_FAULTS } from '../../src/simulator/faults.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';

/**
 * A proxy before the simulator for keys that work when they are added and fail when they are asked: one named `sk-sim-later-quota-…`
 * is sent on with the key fault `quota` when a question is asked with it, and one named `sk-sim-later-unknown-…` as a good key, but
 * with a question for which the model has the fault `unknown`.
 */
export interface TurningProvider extends AsyncDisposable {
  /** What a server needs to ask it. */
  env: Record<string, string>;
  /** Base URL for CUSTOM keys. */
  customUrl: string;
  /** The secrets with which a question was asked, by its text, in their order. */
  secretsFor(question: string): string[];
}

/** A secret that works until it is asked, and then has this fault of a key or of a model. */
export function turningSecret(fault: string): string {
  return `sk-sim-later-${fault}.${crypto.randomUUID()}`;
}

export async function startTurningProvider(simulator: Simulator): Promise<TurningProvider> {
  const asked: { secret: string; body: string }[] = [];
  const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
    const whole = await textOf(request);
    const isQuestion = whole.includes('Question');
    let body = whole;
    const headers = { ...request.headers };
    for (const name of ['authorization', 'x-api-key', 'x-goog-api-key']) {
      const value = headers[name];
      if (typeof value !== 'string') continue;
      if (isQuestion) asked.push({ secret: value.replace(/^Bearer /, ''), body: whole });
      const fault = /later-([a-z-]+)\./.exec(value)?.[1];
      if (fault === undefined) continue;
      const isKeyFault = KEY_FAULTS.some((each) => each === fault);
      headers[name] = value.replace(
        /sk-sim-.*/,
        isQuestion && isKeyFault ? `sk-sim-${fault}` : 'sk-sim-good',
      );
      if (isQuestion && !isKeyFault)
        body = whole.replaceAll(/Question [\w-]+/g, `$&\\n\\nsimulate: ${fault} tokens=4`);
    }
    headers['content-length'] = String(Buffer.byteLength(body));
    // No kept connection, which the simulator may close at the moment in which a busy machine uses it.
    const options = { method: request.method, headers, agent: false };
    const passedOn = send(simulator.url + request.url, options, (reply) => {
      response.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(response);
      reply.on('error', () => response.destroy());
    });
    passedOn.on('error', () => response.destroy());
    response.on('close', () => passedOn.destroy());
    passedOn.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const here = (url: string) => url.replace(simulator.url, `http://127.0.0.1:${port}`);
  const { CUSTOM, ...urls } = simulator.baseUrls;
  return {
    env: {
      LATCHKEY_PROVIDER_URLS: JSON.stringify(
        Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, here(url)])),
      ),
      LATCHKEY_ALLOWED_PRIVATE_HOSTS: `127.0.0.1:${port}`,
    },
    customUrl: here(CUSTOM),
    secretsFor: (question) => asked.filter(({ body }) => body.includes(question)).map(({ secret }) => secret),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
