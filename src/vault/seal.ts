import sodium from 'libsodium-wrappers';

await sodium.ready;

/**
 * Seals a provider key for its row: a box that only the holder of the root key can open, and a tag that only that holder can
 * make. The box alone would not be enough: it is anonymous, so an attacker with write access to the database could replace it.
 *
 * `secret` is a string when a person pasted it, and bytes when `openRecord` returned it.
 * Throws SealError `malformed` for text that has no UTF-8 form and for numbers that do not fit 32 bits.
 */
export function sealRecord(root: RootKey, context: RecordContext, secret: string | Uint8Array): SealedRecord {
  const binding = bindingOf(root, context);
  const secretBytes = typeof secret === 'string' ? encode(secret) : new Uint8Array(secret);
  const plain = lengthPrefixed(hash(binding), secretBytes);
  const padded = sodium.pad(plain, PADDED_TO_BYTES);
  try {
    const publicKey = tenantPublicKey(root, context.tenantId, context.generation);
    const ciphertext = sodium.crypto_box_seal(padded, publicKey);
    return { rootId: root.id, ciphertext, tag: tagOf(root, context, ciphertext) };
  } finally {
    wipe(secretBytes, plain, padded);
  }
}

/**
 * Opens a row's record: checks the tag, opens the box, then checks the context inside it. The caller must not keep or log the
 * returned bytes and overwrites them with `fill(0)` when done; they share memory with nothing else.
 *
 * What cannot be wiped: libsodium's own copies in WebAssembly memory, which last until later calls overwrite them, and
 * every JavaScript string made of the bytes.
 *
 * Throws SealError: `unknown-root` if no given root sealed the record, `tampered` if anything in it or around it differs
 * from what was sealed.
 */
export function openRecord(
  rootKeys: readonly RootKey[],
  context: RecordContext,
  record: SealedRecord,
): Uint8Array {
  const root = rootKeys.find(({ id }) => id === record.rootId);
  if (root === undefined) throw new SealError('unknown-root');
  if (!isEqual(record.tag, tagOf(root, context, record.ciphertext))) throw new SealError('tampered');

  return openTenantBox(root, context.tenantId, context.generation, record.ciphertext, (padded) => {
    const plain = sodium.unpad(padded, PADDED_TO_BYTES);
    try {
      const head = lengthPrefixed(hash(bindingOf(root, context)));
      if (!isEqual(plain.subarray(0, head.length), head)) throw new SealError('tampered');
      return plain.slice(head.length + LENGTH_BYTES);
    } finally {
      wipe(plain);
    }
  });
}

/**
 * Seals the content of a record again with the first root key, for a later generation or version of the same row. The content
 * is wiped before this returns. Throws SealError as `openRecord` does.
 */
export function resealRecord(
  rootKeys: readonly [RootKey, ...RootKey[]],
  context: RecordContext,
  record: SealedRecord,
  next: Pick<RecordContext, 'generation' | 'version'>,
): SealedRecord {
  const content = openRecord(rootKeys, context, record);
  try {
    return sealRecord(rootKeys[0], { ...context, ...next }, content);
  } finally {
    wipe(content);
  }
}

/** Everything that a record is bound to, apart from its root key: with another value in one of them it does not open. */
export interface RecordContext {
  /** The workspace or team that owns the key. */
  tenantId: string;
  apiKeyId: string;
  provider: string;
  /** With its path: on a gateway another path can lead to another company. */
  baseUrl: string;
  /** Which of the tenant's key pairs, from 1. */
  generation: number;
  /** How often the row was sealed, from 1. */
  version: number;
}

export interface SealedRecord {
  rootId: string;
  ciphertext: Uint8Array;
  tag: Uint8Array;
}

/**
 * A root key: 32 random bytes from which all sealing keys are derived. They can be used through `derive` but not read, so no
 * log line, error or copy of the object can hold them.
 */
export class RootKey {
  /** 16 hexadecimal characters that distinguish root keys and reveal nothing of them. */
  readonly id: string;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    if (bytes.length !== 32) throw new RangeError('A root key has 32 bytes.');
    this.#bytes = new Uint8Array(bytes);
    this.id = sodium.to_hex(this.derive('latchkey/root-id/v1').subarray(0, 8));
  }

  /** 32 bytes that only a holder of this root key can compute; another label or part gives unrelated ones. */
  derive(label: string, ...parts: (string | number)[]): Uint8Array {
    return keyedHash(this.#bytes, label, ...parts);
  }
}

/**
 * The public half of a tenant's key pair. It is derived each time and never stored: an attacker could replace a stored one, and
 * read every key pasted from then on.
 */
export function tenantPublicKey(root: RootKey, tenantId: string, generation: number): Uint8Array {
  const { publicKey, privateKey } = tenantKeyPair(root, tenantId, generation);
  wipe(privateKey);
  return publicKey;
}

/**
 * Opens a box sealed with `tenantPublicKey`, passes its content to `read` and wipes it afterwards. It proves nothing about the
 * sender of the box. Throws SealError `tampered` if it does not open.
 */
export function openTenantBox<Result>(
  root: RootKey,
  tenantId: string,
  generation: number,
  box: Uint8Array,
  read: (content: Uint8Array) => Result,
): Result {
  const { publicKey, privateKey } = tenantKeyPair(root, tenantId, generation);
  let content: Uint8Array;
  try {
    content = sodium.crypto_box_seal_open(box, publicKey, privateKey);
  } catch {
    throw new SealError('tampered');
  } finally {
    wipe(privateKey);
  }
  try {
    return read(content);
  } finally {
    wipe(content);
  }
}

/** 32 bytes that only a holder of the key can compute; another list of parts gives unrelated ones. */
export function keyedHash(key: Uint8Array, ...parts: (string | number | Uint8Array)[]): Uint8Array {
  return sodium.crypto_generichash(32, lengthPrefixed(...parts), key);
}

/** Why a record or box did not open. Holds no bytes, no ids and no cause, so it may be logged. */
export class SealError extends Error {
  override readonly name = 'SealError';
  readonly type: keyof typeof SEAL_ERROR_MESSAGES;

  constructor(type: keyof typeof SEAL_ERROR_MESSAGES) {
    super(SEAL_ERROR_MESSAGES[type]);
    this.type = type;
  }
}

const SEAL_ERROR_MESSAGES = {
  'unknown-root': 'None of the given root keys sealed this record.',
  tampered: 'The sealed bytes are not the ones that were sealed here.',
  malformed: 'The content is not of the form that can be sealed.',
  stale: 'The sealing key is not one that can be opened. Ask for the current one and seal again.',
  misdirected: 'The box was sealed for another owner, provider or base URL.',
} as const;

/** Hides the length of a secret: all of up to 215 bytes, as provider keys are, give ciphertexts of the same length. */
const PADDED_TO_BYTES = 256;

/** Length prefixes are 32 bits, big-endian. */
const LENGTH_BYTES = 4;

function tenantKeyPair(root: RootKey, tenantId: string, generation: number) {
  const seed = root.derive('latchkey/owner-seed/v1', tenantId, generation);
  const keyPair = sodium.crypto_box_seed_keypair(seed);
  wipe(seed);
  return keyPair;
}

function tagOf(root: RootKey, context: RecordContext, ciphertext: Uint8Array): Uint8Array {
  const macKey = root.derive('latchkey/row-mac/v1', context.tenantId, context.generation);
  const tag = keyedHash(macKey, bindingOf(root, context), ciphertext);
  wipe(macKey);
  return tag;
}

function bindingOf(root: RootKey, context: RecordContext): Uint8Array {
  return lengthPrefixed(
    'latchkey/api-key/v1',
    context.tenantId,
    context.apiKeyId,
    context.provider,
    context.baseUrl,
    root.id,
    context.generation,
    context.version,
  );
}

function hash(bytes: Uint8Array): Uint8Array {
  return sodium.crypto_generichash(32, bytes, null);
}

/** Joins parts so that no two lists of parts give the same bytes: "ab" + "c" differs from "a" + "bc". */
export function lengthPrefixed(...parts: (string | number | Uint8Array)[]): Uint8Array {
  const chunks = parts.map((part) => (part instanceof Uint8Array ? part : encode(part)));
  const joined = new Uint8Array(chunks.reduce((total, chunk) => total + LENGTH_BYTES + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(encode(chunk.length), offset);
    joined.set(chunk, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + chunk.length;
  }
  return joined;
}

function encode(value: string | number): Uint8Array {
  if (typeof value === 'string') {
    // A lone surrogate would silently become U+FFFD, and two different texts the same bytes.
    if (!value.isWellFormed()) throw new SealError('malformed');
    return new TextEncoder().encode(value);
  }
  // Bits beyond 32 would silently be cut off, and two different numbers the same bytes.
  if (value !== value >>> 0) throw new SealError('malformed');
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Takes the same time wherever the bytes differ, so that a tag cannot be guessed byte by byte. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && sodium.memcmp(left, right);
}

function wipe(...buffers: Uint8Array[]): void {
  for (const buffer of buffers) sodium.memzero(buffer);
}
