import { z } from 'zod';
import { openTenantBox, type RootKey, SealError, tenantPublicKey } from './seal.ts';

/** The key with which a client seals what it submits for one tenant: the newest generation under the first root. */
export function sealingKeyOf(root: RootKey, tenantId: string, generation: number): SealingKey {
  const publicKey = Buffer.from(tenantPublicKey(root, tenantId, generation)).toString('base64');
  return { id: sealingKeyId(root, tenantId, generation), publicKey };
}

/**
 * Opens a client's box if it was sealed for exactly this tenant, provider and base URL: an attacker who captured a box must not
 * be able to have its key sent elsewhere. Only the tenant's newest generation opens, under any of the given root keys: a page
 * may have fetched its sealing key just before a new root key was put first.
 *
 * Throws SealError: `stale` if the named key is not the tenant's newest, `tampered` if the box was not sealed with the named
 * key, `malformed` if it does not hold what `schema/seal.js` writes, `misdirected` if it was sealed for another tenant,
 * provider or base URL. Throws ClientBoxError for a box that opens and cannot be accepted now.
 */
export function openClientBox(
  rootKeys: readonly RootKey[],
  expected: BoxRecipient,
  { keyId, box }: ClientBox,
  nowMs: number = Date.now(),
): OpenedBox {
  const root = rootKeys.find((each) => keyId === sealingKeyId(each, expected.tenantId, expected.generation));
  if (root === undefined) throw new SealError('stale');
  if (!BASE64.test(box)) throw new SealError('malformed');

  const content = openTenantBox(
    root,
    expected.tenantId,
    expected.generation,
    Buffer.from(box, 'base64'),
    parseContent,
  );
  const isAddressedHere =
    content.owner === expected.tenantId &&
    content.provider === expected.provider &&
    content.baseUrl === expected.baseUrl;
  if (!isAddressedHere) throw new SealError('misdirected');
  if (content.v === 1) return { secret: content.secret, headers: null, box: null };

  const sealedAtMs = Date.parse(content.at);
  if (sealedAtMs + VALID_FOR_MS <= nowMs) throw new ClientBoxError('expired');
  if (sealedAtMs - CLOCKS_DIFFER_BY_MS > nowMs) throw new ClientBoxError('ahead');
  return {
    secret: content.secret,
    headers: content.headers,
    box: { boxId: content.id, validUntil: new Date(sealedAtMs + VALID_FOR_MS) },
  };
}

export interface OpenedBox {
  secret: string;
  /** Further headers to send with the secret, not checked yet; null for none. */
  headers: Record<string, string> | null;
  /** Null for version 1, which has neither id nor time, so it can be replayed. */
  box: TimedBox | null;
}

/** Protects a box against replay: the caller records the id and refuses it a second time. */
export interface TimedBox {
  boxId: string;
  validUntil: Date;
}

/** Why a box that opens is refused: its time. */
export class ClientBoxError extends Error {
  override readonly name = 'ClientBoxError';
  readonly type: 'expired' | 'ahead';

  constructor(type: ClientBoxError['type']) {
    super(`A sealed submission is refused: ${type}.`);
    this.type = type;
  }
}

export interface SealingKey {
  /** Opaque to clients. */
  id: string;
  /** 32 bytes in base64. */
  publicKey: string;
}

/** The destination of a submitted key according to the mutation around it. */
export interface BoxRecipient {
  tenantId: string;
  /** The tenant's newest generation. */
  generation: number;
  provider: string;
  /** As the client sent it; null for a provider with a base URL of its own. */
  baseUrl: string | null;
}

export interface ClientBox {
  keyId: string;
  /** Base64 in either alphabet: libsodium in browsers writes the URL-safe one by default. */
  box: string;
}

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Starts with the tenant, so that clients which cache objects by their id never mix two tenants' keys. */
function sealingKeyId(root: RootKey, tenantId: string, generation: number): string {
  return `${tenantId}.${generation}.${root.id}`;
}

const destination = { owner: z.string(), provider: z.string(), baseUrl: z.string().nullable() };

const BoxContent = z.discriminatedUnion('v', [
  z.strictObject({ v: z.literal(1), ...destination, secret: z.string() }),
  z.strictObject({
    v: z.literal(2),
    /** 16 bytes have one form only in this alphabet. */
    id: z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/),
    at: z.iso.datetime({ offset: true }).regex(/(Z|[+-]00:00)$/),
    ...destination,
    secret: z.string(),
    headers: z.record(z.string(), z.string()).nullable(),
    pad: z.string().regex(/^ *$/),
  }),
]);

function parseContent(bytes: Uint8Array): z.infer<typeof BoxContent> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const content = BoxContent.parse(JSON.parse(text));
    if (content.v === 1 || bytes.length % PADDED_TO_BYTES === 0) return content;
  } catch {
    // The errors themselves are dropped, since they quote the content.
  }
  throw new SealError('malformed');
}

/** Hides the length of the secret from an observer of the box. */
const PADDED_TO_BYTES = 256;

const VALID_FOR_MS = 24 * 60 * 60 * 1_000; // a form may wait overnight in an open page
const CLOCKS_DIFFER_BY_MS = 5 * 60 * 1_000; // the page's clock is not the server's
