import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { anthropic } from './anthropic.ts';
import { readBody } from './body.ts';
import { answerCall } from './call.ts';
import { custom } from './custom.ts';
import { StepGate } from './gate.ts';
import { gemini } from './gemini.ts';
import { mistral } from './mistral.ts';
import { novita } from './novita.ts';
import { openai } from './openai.ts';
import { Outlet } from './outlet.ts';
import { perplexity } from './perplexity.ts';
import { PromptCache } from './prompt-cache.ts';
import { refusal, type SimulatedProvider, type SimulatorProviderName } from './provider.ts';
import { type CallEnding, RequestLog, type SimulatorRequest } from './request-log.ts';
import { TryCounter } from './try-counter.ts';
import { xai } from './xai.ts';

/** A server that speaks as every provider does, each at its own base URL. Any key works; see faults.ts for those that do not. */
export interface Simulator {
  /** Where the server listens, e.g. `http://127.0.0.1:4010`. */
  url: string;
  /** What to use in place of each provider's published base URL. */
  baseUrls: Record<SimulatorProviderName, string>;
  /** The newest calls, oldest first; at most a thousand. */
  readonly requests: readonly SimulatorRequest[];
  /** The newest matching call that was received, else the next one to come. Rejects when the simulator closes. */
  waitForRequest(matches: (request: SimulatorRequest) => boolean): Promise<SimulatorRequest>;
  /** Calls that have been received and not yet ended. */
  openStreams(): number;
  /** Lets every held answer under way go on by so many steps, all the rest without a number. */
  release(steps?: number): void;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

export interface SimulatorOptions {
  /** 0, the default, takes any free port. */
  port?: number;
  /** Default 127.0.0.1: the simulator has no reason to be reachable from elsewhere. */
  host?: string;
  /** Milliseconds between two tokens; default 15. */
  paceMs?: number;
}

const DEFAULT_PACE_MS = 15; // about as fast as a small model of a large provider
const KEEP_ALIVE_MS = 60_000; // longer than any client keeps an idle connection in a test

/** Starts a simulator and resolves once it listens. The caller closes it. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const host = options.host ?? '127.0.0.1';
  const log = new RequestLog();
  const open = new Set<SimulatorRequest>();
  const tries = new TryCounter();
  const cache = new PromptCache();
  const paceMs = options.paceMs ?? DEFAULT_PACE_MS;
  let isClosing = false;

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      response.destroy();
      // No promise awaits the answer of a call, so a fault of the simulator itself becomes a warning of the process.
      process.emitWarning(error instanceof Error ? error : String(error));
    });
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://simulator');
    const provider = PROVIDERS.find(({ mount }) => url?.pathname.startsWith(`${mount}/`));
    const outlet = new Outlet(response);
    if (!url || !provider) return outlet.reply(NOBODY_HERE, { connection: 'close' });
    try {
      const body = await readBody(request, provider.maxBodyBytes);
      if (body === null)
        return outlet.reply(provider.refuse(refusal('body-too-large')), { connection: 'close' });
      const gate = new StepGate(outlet);
      logRequest(request, response, provider, body, gate, outlet);
      await answerCall({ provider, request, url, body, outlet, gate, tries, cache, paceMs });
    } catch (error) {
      if (!outlet.hasClientGone && !request.errored) throw error;
    }
  }

  function logRequest(
    request: IncomingMessage,
    response: ServerResponse,
    provider: SimulatedProvider,
    body: string,
    gate: StepGate,
    outlet: Outlet,
  ): void {
    const { promise: closed, resolve } = Promise.withResolvers<CallEnding>();
    const logged: SimulatorRequest = {
      provider: provider.name,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: request.headers,
      body,
      get sentBytes() {
        return outlet.sentBytes;
      },
      ending: null,
      closed,
      release: (steps = Number.POSITIVE_INFINITY) => gate.release(steps),
    };
    open.add(logged);
    response.once('close', () => {
      open.delete(logged);
      const ending = response.writableFinished ? 'finished' : outlet.wasCut || isClosing ? 'cut' : 'left';
      logged.ending = ending;
      resolve(ending);
    });
    log.add(logged);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

  return {
    url,
    baseUrls: baseUrlsAt(url),
    requests: log.requests,
    waitForRequest: (matches) => log.wait(matches),
    openStreams: () => open.size,
    release: (steps) => {
      for (const request of open) request.release(steps);
    },
    close: async () => {
      isClosing = true;
      log.close();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

const PROVIDERS: readonly SimulatedProvider[] = [
  openai,
  anthropic,
  gemini,
  mistral,
  perplexity,
  xai,
  novita,
  custom,
];

const NOBODY_HERE = { status: 404, body: { error: 'No provider is simulated at this path.' } };

function baseUrlsAt(url: string): Record<SimulatorProviderName, string> {
  return {
    OPENAI: url + openai.basePath,
    ANTHROPIC: url + anthropic.basePath,
    GEMINI: url + gemini.basePath,
    MISTRAL: url + mistral.basePath,
    PERPLEXITY: url + perplexity.basePath,
    XAI: url + xai.basePath,
    NOVITA: url + novita.basePath,
    CUSTOM: url + custom.basePath,
  };
}
