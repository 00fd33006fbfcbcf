import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { buildConnector, Pool } from 'undici';
import { classifyNetworkError, ProviderError } from '../failure/failure.ts';
import { checkUrl, ForbiddenAddressError, isAllowedPrivateHost, isPublicAddress } from './address.ts';
import { DEADLINES } from './deadlines.ts';
import type { StreamedBody } from './json-body.ts';
import type { ResponseHeaders } from './retry-after.ts';
import { SpareConnection } from './spare-connection.ts';

/** The only HTTP client: every request of Latchkey is made here, on behalf of one tenant, to an address that may be called. */
export interface Egress {
  /**
   * Sends a request and resolves with the response once its headers are in, whatever its status. Redirects are not followed.
   * The caller must read the body or destroy it. Throws ProviderError, or `signal.reason` when aborted.
   */
  request(request: EgressRequest): Promise<EgressResponse>;
  /** Connects to where a request will soon be sent, so that it need not wait for the handshakes. Nothing is sent, and nothing thrown. */
  connectAhead(place: EgressPlace): void;
  /** Ends all connections at once; running requests fail. */
  close(): Promise<void>;
}

/** Where a request goes, and for whom. */
export interface EgressPlace {
  /** Workspace or team that owns the key: connections are never shared between tenants. */
  tenantId: string;
  url: string;
  /** True for a URL that the operator configured: it may be private and use http. */
  isTrusted?: boolean;
}

export interface EgressRequest extends EgressPlace {
  method: 'GET' | 'POST';
  /** By lower-case name. The only others sent are `host`, `connection`, `content-length` and OWN_HEADERS. */
  headers: Readonly<Record<string, string>>;
  body?: string | StreamedBody;
  /** Ends the request, and the response body after it, when aborted. */
  signal: AbortSignal;
  /** How long to wait for the response's headers. While a body is streamed, the wait begins again with every piece of it. */
  headersTimeoutMs?: number;
}

export interface EgressResponse {
  status: number;
  headers: ResponseHeaders;
  body: Readable;
}

export interface EgressOptions {
  /** Private addresses that a CUSTOM key may name, as `host:port`; everything else must be https and public. */
  allowedPrivateHosts: readonly string[];
  connectTimeoutMs?: number;
  /** Name resolution; the system's if absent. */
  lookup?: LookupFunction;
}

/** Creates the HTTP client. HTTP proxies from the environment are not used: they would resolve names themselves, unchecked. */
export function createEgress(options: EgressOptions): Egress {
  const { allowedPrivateHosts, connectTimeoutMs = DEADLINES.connectMs, lookup = systemLookup } = options;
  const connections = new Map<string, Connections>();
  const retired = new Set<Pool>();
  let isClosed = false;

  /** The tenant's connections to the URL's origin. The map is in order of use, so its first entry is evicted. */
  function connectionsTo(url: URL, { tenantId, isTrusted = false }: EgressPlace): Connections {
    const name = JSON.stringify([tenantId, url.origin, isTrusted]);
    const isExempt = isTrusted || isAllowedPrivateHost(url, allowedPrivateHosts);
    const connect = isExempt ? openConnector : guardedConnector;
    const found = connections.get(name) ?? createConnections(url, connect(connectTimeoutMs, lookup));
    connections.delete(name);
    connections.set(name, found);
    for (const [oldName, { pool, spare }] of connections) {
      if (connections.size <= ORIGINS) break;
      connections.delete(oldName);
      spare.close();
      retired.add(pool);
      pool.close(() => retired.delete(pool));
    }
    return found;
  }

  function urlOf({ url, isTrusted }: EgressPlace): URL {
    return isTrusted ? new URL(url) : checkUrl(url, allowedPrivateHosts);
  }

  return {
    async request({ method, headers, body, signal, headersTimeoutMs, ...place }) {
      signal.throwIfAborted();
      if (isClosed) throw new ProviderError('NETWORK');
      const url = urlOf(place);
      const silence = startSilence(headersTimeoutMs ?? DEADLINES.silenceBeforeTextMs);
      const limits = AbortSignal.any([signal, silence.signal]);
      const upload = typeof body === 'object' ? startUpload(body, limits, silence.restart) : null;
      try {
        const response = await connectionsTo(url, place).pool.request({
          method,
          path: `${url.pathname}${url.search}`,
          headers: { ...headers, ...OWN_HEADERS, ...upload?.headers },
          body: typeof body === 'string' ? body : (upload?.stream ?? null),
          signal: limits,
        });
        // A server may answer before it has read everything, and may never read the rest.
        if (upload !== null) response.body.once('close', upload.end);
        return { status: response.statusCode, headers: response.headers, body: response.body };
      } catch (error) {
        upload?.end();
        if (signal.aborted) throw signal.reason;
        if (silence.signal.aborted) throw new ProviderError('TIMEOUT');
        throw classifyNetworkError(error);
      } finally {
        silence.end();
      }
    },
    connectAhead(place) {
      if (isClosed) return;
      let url: URL;
      try {
        url = urlOf(place);
      } catch {
        return; // the request will be refused, and say why
      }
      const { pool, spare } = connectionsTo(url, place);
      const { connected, running } = pool.stats;
      if (connected <= running) spare.open(url);
    },
    async close() {
      isClosed = true;
      const pools = [...connections.values()].map(({ pool, spare }) => {
        spare.close();
        return pool;
      });
      await Promise.all([...pools, ...retired].map((pool) => pool.destroy()));
    },
  };
}

/** Aborts its signal unless it is restarted again and again until it is ended. */
function startSilence(ms: number) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  let isEnded = false;
  return {
    signal: controller.signal,
    restart() {
      if (!isEnded) timer.refresh();
    },
    end() {
      isEnded = true;
      clearTimeout(timer);
    },
  };
}

/** A streamed body as the HTTP client takes it. `end` closes what it has opened, however much of it was sent. */
function startUpload({ lengthBytes, read }: StreamedBody, signal: AbortSignal, onPiece: () => void) {
  const ending = new AbortController();
  async function* pieces() {
    for await (const piece of read(AbortSignal.any([signal, ending.signal]))) {
      onPiece();
      yield piece;
    }
  }
  const stream = Readable.from(pieces(), { objectMode: false, highWaterMark: UPLOAD_BUFFER_BYTES });
  // The request fails with the same error; without a listener here it would end the process.
  stream.on('error', () => {});
  return {
    stream,
    headers: { 'content-length': String(lengthBytes) },
    end() {
      ending.abort();
      stream.destroy();
    },
  };
}

// A piece is read while the one before it is sent.
const UPLOAD_BUFFER_BYTES = 65_536;

/** `identity`, because responses are not decompressed here; a user agent, because some providers refuse requests without one. */
const OWN_HEADERS = { 'accept-encoding': 'identity', 'user-agent': 'latchkey' };

/** The connections of one tenant to one origin. */
interface Connections {
  pool: Pool;
  /** One that no request has used yet. */
  spare: SpareConnection;
}

function createConnections(url: URL, connect: buildConnector.connector): Connections {
  const spare = new SpareConnection(connect);
  return { pool: new Pool(url.origin, { ...POOL_OPTIONS, connect: spare.take }), spare };
}

// More tenants are rarely active at the same moment; a request after an eviction costs a handshake.
const ORIGINS = 256;

const POOL_OPTIONS = {
  // One request at a time on a connection: a long answer must not delay the next, nor fail together with it.
  pipelining: 1,
  // HTTP/2 would multiplex answers on one connection, and abort with a stream reset that some gateways do not forward.
  allowH2: false,
  // More than a process answers at once.
  connections: 256,
  // Long enough for the next message of a lively conversation.
  keepAliveTimeout: 30_000,
  // Silence is measured by `readChunks`, with the timeout for that part of the answer.
  headersTimeout: 0,
  bodyTimeout: 0,
};

/** Connects to any address. */
function openConnector(timeoutMs: number, lookup: LookupFunction): buildConnector.connector {
  return buildConnector({ timeout: timeoutMs, allowH2: false, lookup });
}

/**
 * Connects to public addresses only: every address of a name is checked before connecting, and the remote address is checked
 * again before a byte is sent. Literal addresses are checked with the URL, since Node never resolves them.
 */
function guardedConnector(timeoutMs: number, lookup: LookupFunction): buildConnector.connector {
  const dial = openConnector(timeoutMs, publicLookup(lookup));
  const secure = openConnector(timeoutMs, lookup);
  return (target, callback) => {
    dial({ ...target, protocol: 'http:', port: target.port || '443' }, (error, socket) => {
      if (error !== null) return callback(error, null);
      if (isPublicAddress(socket.remoteAddress ?? ''))
        return secure({ ...target, httpSocket: socket }, callback);
      socket.destroy();
      callback(new ForbiddenAddressError(LEADS_INSIDE), null);
    });
  };
}

function publicLookup(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const found = addresses as LookupAddress[];
      const [first] = found;
      if (first === undefined || !found.every(({ address }) => isPublicAddress(address))) {
        return callback(new ForbiddenAddressError(LEADS_INSIDE), []);
      }
      if (options.all) return callback(null, found);
      callback(null, first.address, first.family);
    });
  };
}

const LEADS_INSIDE =
  'The name of this server leads into a private network. If that is meant, ask the operator of Latchkey to list it in LATCHKEY_ALLOWED_PRIVATE_HOSTS.';
