import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A bucket in memory, which knows of S3 what a store needs of it, and checks what a true one would. */
export interface Bucket extends AsyncDisposable {
  endpoint: string;
  name: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  /** The objects by their names. */
  objects: Map<string, Uint8Array>;
  /** What was asked of it: `PUT att_1.1 200`. */
  calls: string[];
  /** The same with all headers. */
  heads: string[];
  /** What becomes of the next requests, in order; those after it are answered as they should be. */
  faults: Fault[];
  /** Called when an object was kept, before its sender hears of it. */
  onKept?: (name: string) => void;
}

/** A refusal with a status and a code, or a trouble of another kind with the next request. */
export type Fault =
  | { status: number; code: string }
  /** Answers nothing until the client leaves. */
  | 'stall'
  /** Closes the connection in the middle of the body. */
  | 'cut'
  /** Sends half of the body and then nothing until the client leaves. */
  | 'stop'
  /** Sends half of what was asked for as if it were all. */
  | 'shorten'
  /** Says that all is well, and keeps a stump. */
  | 'stump'
  /** Ignores the Range header. */
  | 'no-range'
  /** Answers as it should. */
  | 'fine';

export async function startBucket(): Promise<Bucket> {
  const access = {
    name: 'latchkey-test',
    region: 'eu-test-1',
    accessKeyId: 'AKIATEST',
    secretAccessKey: 'a secret/of+the bucket',
  };
  const objects = new Map<string, Uint8Array>();
  const calls: string[] = [];
  const heads: string[] = [];
  const faults: Fault[] = [];
  const bucket: Bucket = {
    ...access,
    endpoint: '',
    objects,
    calls,
    heads,
    faults,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  const server = createServer(async (request, response) => {
    heads.push([request.method, request.url, ...request.rawHeaders].join(' '));
    const path = new URL(request.url ?? '', 'http://bucket').pathname;
    const name = decodeURIComponent(path.slice(`/${access.name}/`.length));
    response.once('finish', () => calls.push(`${request.method} ${name} ${response.statusCode}`));
    const fault = faults.shift() ?? 'fine';
    if (fault === 'stall') return;
    if (typeof fault === 'object') return await refuse(request, response, fault.status, fault.code);
    const refusal = refusalOf(request, access) ?? (path.startsWith(`/${access.name}/`) ? null : NO_BUCKET);
    if (refusal !== null) return await refuse(request, response, ...refusal);
    await answer({ bucket, name, fault }, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  bucket.endpoint = `http://127.0.0.1:${port}`;
  return bucket;
}

/** The settings with which a server keeps its files in this bucket. */
export async function bucketSettings(bucket: Bucket): Promise<Record<string, string>> {
  const secrets = await mkdtemp(join(tmpdir(), 'latchkey-bucket-'));
  const [keyFile, secretFile] = [join(secrets, 'id'), join(secrets, 'secret')];
  await writeFile(keyFile, bucket.accessKeyId, { mode: 0o600 });
  await writeFile(secretFile, `${bucket.secretAccessKey}\n`, { mode: 0o600 });
  return {
    LATCHKEY_S3_BUCKET: bucket.name,
    LATCHKEY_S3_ENDPOINT: bucket.endpoint,
    LATCHKEY_S3_REGION: bucket.region,
    LATCHKEY_S3_ACCESS_KEY_ID_FILE: keyFile,
    LATCHKEY_S3_SECRET_ACCESS_KEY_FILE: secretFile,
  };
}

type Refusal = readonly [status: number, code: string];

const NO_BUCKET: Refusal = [404, 'NoSuchBucket'];

async function answer(
  { bucket, name, fault }: { bucket: Bucket; name: string; fault: Fault },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { objects } = bucket;
  const found = objects.get(name);
  switch (request.method) {
    case 'PUT': {
      const body = await bodyOf(request);
      if (hex(body) !== request.headers['x-amz-content-sha256'])
        return await refuse(request, response, 400, 'XAmzContentSHA256Mismatch');
      objects.set(name, fault === 'stump' ? body.subarray(0, 10) : body);
      bucket.onKept?.(name);
      return void response.writeHead(200, { etag: '"etag"' }).end();
    }
    case 'DELETE':
      objects.delete(name);
      return void response.writeHead(204).end();
    case 'HEAD':
      if (found === undefined) return void response.writeHead(404).end();
      return void response.writeHead(200, { 'content-length': found.length }).end();
    default: {
      if (found === undefined) return await refuse(request, response, 404, 'NoSuchKey');
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const isWhole = first === undefined || fault === 'no-range';
      const asked = isWhole ? found : found.subarray(Number(first), Number(last) + 1);
      const half = asked.subarray(0, asked.length / 2);
      const bytes = fault === 'shorten' ? half : asked;
      response.writeHead(isWhole ? 200 : 206, { 'content-length': bytes.length });
      if (fault === 'stop') return void response.write(half);
      if (fault !== 'cut') return void response.end(bytes);
      response.write(half, () => response.destroy());
    }
  }
}

/** What a true service would say to a request that is not signed, or not as it has to be; null if all is right. */
function refusalOf(request: IncomingMessage, access: Access): Refusal | null {
  const { headers, method } = request;
  if (/chunked/.test(headers['transfer-encoding'] ?? '')) return [501, 'NotImplemented'];
  if (Object.keys(headers).some((name) => /^x-amz-(trailer|checksum)/.test(name)))
    return [501, 'NotImplemented'];
  if (method === 'PUT' && headers['content-length'] === undefined) return [411, 'MissingContentLength'];
  const [, keyId, date, region, service, names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d+)\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  if (signature === undefined) return [403, 'AccessDenied'];
  if (keyId !== access.accessKeyId) return [403, 'InvalidAccessKeyId'];
  if (region !== access.region || service !== 's3') return [400, 'AuthorizationHeaderMalformed'];
  for (const name of ['host', 'x-amz-content-sha256', 'x-amz-date'])
    if (!names.split(';').includes(name)) return [403, 'AccessDenied'];
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://bucket');
  const query = [...searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  const canonical = [
    method,
    pathname,
    query.join('&'),
    ...names.split(';').map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = [date, region, service, 'aws4_request'];
  const key = scope.reduce<string | Buffer>(
    (parent, part) => mac(parent, String(part)),
    `AWS4${access.secretAccessKey}`,
  );
  const signed = [
    'AWS4-HMAC-SHA256',
    headers['x-amz-date'],
    scope.join('/'),
    hex(Buffer.from(canonical)),
  ].join('\n');
  return mac(key, signed).toString('hex') === signature ? null : [403, 'SignatureDoesNotMatch'];
}

interface Access {
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

async function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: string,
): Promise<void> {
  await bodyOf(request);
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>A secret message</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(request.method === 'HEAD' ? undefined : xml);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync<Buffer>(request).catch(() => []));
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
