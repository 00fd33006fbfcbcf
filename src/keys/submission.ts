import { z } from 'zod';
import { openOwnerBox, ownerPublicKey, type Root, SealError } from './seal-record.ts';

/** The key with which a client seals what it submits for one owner: the newest generation under the first root. */
export function sealingKeyOf(root: Root, ownerId: string, generation: number): SealingKey {
  const publicKey = Buffer.from(ownerPublicKey(root, ownerId, generation)).toString('base64');
  return { id: sealingKeyId(root, ownerId, generation), publicKey };
}

/**
 * Opens what a client sealed and returns the secret, if it was sealed for exactly this owner, provider and base URL: a box
 * seen on its way must not send its key to another place. An earlier sealing key of the same owner still opens.
 *
 * Throws SealError: `stale` if the named key is none of this owner's that the given roots open, `tampered` if the box was
 * not sealed with the named key, `malformed` if it does not hold what `schema/seal.js` writes, `misdirected` if it was
 * sealed for another owner, provider or base URL.
 */
export function openSubmission(
  roots: readonly Root[],
  expected: SubmissionContext,
  { keyId, box }: SealedSubmission,
): string {
  const [, generationText, rootId] = /\.(\d+)\.([0-9a-f]+)$/.exec(keyId) ?? [];
  const generation = Number(generationText);
  const root = roots.find(({ id }) => id === rootId);
  if (root === undefined || generation > expected.generation) throw new SealError('stale');
  if (keyId !== sealingKeyId(root, expected.ownerId, generation)) throw new SealError('stale');
  if (!BASE64.test(box)) throw new SealError('malformed');

  const content = openOwnerBox(
    root,
    expected.ownerId,
    generation,
    Buffer.from(box, 'base64'),
    parseSubmission,
  );
  const isForHere =
    content.owner === expected.ownerId &&
    content.provider === expected.provider &&
    content.baseUrl === expected.baseUrl;
  if (!isForHere) throw new SealError('misdirected');
  return content.secret;
}

export interface SealingKey {
  /** Opaque to clients. */
  id: string;
  /** 32 bytes in base64. */
  publicKey: string;
}

/** Where a submitted key is meant to go, as the mutation around it says. */
export interface SubmissionContext {
  ownerId: string;
  /** The owner's newest generation. */
  generation: number;
  provider: string;
  /** As the client sent it; null for a provider with a base URL of its own. */
  baseUrl: string | null;
}

export interface SealedSubmission {
  keyId: string;
  /** Base64 in either alphabet: libsodium in browsers writes the one for URLs unless told otherwise. */
  box: string;
}

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Starts with the owner, so that clients which cache objects by their id never mix two owners' keys. */
function sealingKeyId(root: Root, ownerId: string, generation: number): string {
  return `${ownerId}.${generation}.${root.id}`;
}

const SubmissionContent = z.strictObject({
  v: z.literal(1),
  owner: z.string(),
  provider: z.string(),
  baseUrl: z.string().nullable(),
  secret: z.string(),
});

function parseSubmission(content: Uint8Array): z.infer<typeof SubmissionContent> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
    return SubmissionContent.parse(JSON.parse(text));
  } catch {
    // The causes quote what they could not read.
    throw new SealError('malformed');
  }
}
