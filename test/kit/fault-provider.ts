import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import type { ProviderName } from '../../src/providers/provider.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { ProviderFault } from '../fixtures/provider-faults.ts';
import { STREAMS } from '../fixtures/streams.ts';

/**
 * A proxy before the simulator that passes requests on, except for a question with a line `fault: …`, to which it does
 * that, and one with a line `key: …`, which it passes on with a key of that fault in place of the right one.
 */
export interface FaultProvider extends AsyncDisposable {
  /** For `LATCHKEY_PROVIDER_URLS`. */
  urls: Record<string, string>;
  /** Paths that no provider has, and that were asked for all the same. */
  strayPaths: string[];
}

export async function startFaultProvider(
  simulator: Simulator,
  faults: Readonly<Record<string, ProviderFault>>,
): Promise<FaultProvider> {
  const strayPaths: string[] = [];
  const server = createServer(async (request, response) => {
    const body = await textOf(request);
    const provider = providerAt(request);
    if (provider === undefined) strayPaths.push(request.url ?? '');
    const fault = faults[/fault: ([^"\\]+)/.exec(body)?.[1] ?? ''];
    const stream = STREAMS.find((fixture) => fixture.provider === provider);
    if (fault !== undefined && stream !== undefined) return fault(response, stream);
    await passOn(simulator, request, body, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { CUSTOM: _private, ...urls } = simulator.baseUrls;
  return {
    urls: Object.fromEntries(
      Object.entries(urls).map(([name, url]) => [
        name,
        url.replace(simulator.url, `http://127.0.0.1:${port}`),
      ]),
    ),
    strayPaths,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function providerAt({ url = '' }: IncomingMessage): ProviderName | undefined {
  const [, mount = ''] = url.split('/');
  return STREAMS.find(({ provider }) => provider.toLowerCase() === mount)?.provider;
}

async function passOn(
  simulator: Simulator,
  { method = 'GET', url, headers }: IncomingMessage,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const keyFault = /key: (\w+)/.exec(body)?.[1];
  const keys = ['authorization', 'x-api-key', 'x-goog-api-key'].flatMap((name) => {
    const key = headers[name];
    if (typeof key !== 'string') return [];
    return [[name, keyFault === undefined ? key : key.replace(/sk-\S+/, `sk-sim-${keyFault}`)] as const];
  });
  const reply = await fetch(simulator.url + url, {
    method,
    headers: { 'content-type': 'application/json', ...VERSION, ...Object.fromEntries(keys) },
    ...(method === 'POST' && { body }),
  });
  const replyHeaders = ['content-type', 'retry-after', 'retry-after-ms'].flatMap((name) => {
    const value = reply.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  response.writeHead(reply.status, Object.fromEntries(replyHeaders)).end(await reply.text());
}

/** Anthropic refuses requests without it. */
const VERSION = { 'anthropic-version': '2023-06-01' };
