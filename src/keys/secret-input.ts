import { InvalidInputError, StaleSealingKeyError } from '../errors.ts';
import { normaliseSecret, SecretFormatError } from '../providers/key-format.ts';
import type { Provider } from '../providers/provider.ts';
import type { KeyDeps } from './api-key.ts';
import { SealError } from './seal-record.ts';
import {
  openSubmission,
  type SealedSubmission,
  type Submission,
  SubmissionError,
  sealingKeyOf,
} from './submission.ts';

/** A secret on its way in: either sealed by the client or, where the server allows it, as it is. */
export interface SecretInput {
  secret?: string | null | undefined;
  sealed?: SealedSubmission | null | undefined;
}

/**
 * The secret that was submitted, in the form the provider expects, and the box that may be used once, if it came in one. `baseUrl` is what the client sent with it, null for a
 * provider with a base URL of its own. Throws InvalidInputError or StaleSealingKeyError.
 */
export function receiveSecret(
  deps: Pick<KeyDeps, 'roots' | 'requireSealedKeys'>,
  input: SecretInput,
  owner: { id: string; generation: number },
  provider: Provider,
  baseUrl: string | null,
): Submission {
  if ((input.secret == null) === (input.sealed == null))
    throw badInput('secret', 'Give either secret or sealed, and not both.');
  if (input.sealed == null) {
    if (deps.requireSealedKeys !== 'off')
      throw badInput(
        'secret',
        'This server takes only sealed keys. Seal the secret with /seal.js and send sealed.',
      );
    return { secret: clean('secret', input.secret ?? '', provider), box: null };
  }
  const expected = { ownerId: owner.id, generation: owner.generation, provider: provider.name, baseUrl };
  try {
    const { secret, box } = openSubmission(deps.roots, expected, input.sealed);
    if (box === null && deps.requireSealedKeys === 'v2') throw badInput('sealed', VERSION_2_SENTENCE);
    return { secret: clean('sealed', secret, provider), box };
  } catch (error) {
    if (error instanceof SubmissionError) throw badInput('sealed', REFUSED_SENTENCES[error.type]);
    if (!(error instanceof SealError)) throw error;
    if (error.type === 'stale')
      throw new StaleSealingKeyError(sealingKeyOf(deps.roots[0], owner.id, owner.generation));
    throw badInput('sealed', SEALED_SENTENCES[error.type] ?? SEALED_SENTENCES.malformed);
  }
}

/** The end of the secret by which its owner recognises it; null where so short that it would give much of it away. */
export function hintOf(secret: string): string | null {
  return secret.length >= 20 ? secret.slice(-4) : null;
}

function clean(path: string, text: string, provider: Provider): string {
  let secret: string;
  try {
    secret = normaliseSecret(text);
  } catch (error) {
    if (error instanceof SecretFormatError) throw badInput(path, error.message);
    throw error;
  }
  // A server of one's own may need no key at all.
  if (secret === '' && provider.baseUrl !== null) throw badInput(path, 'The key is empty. Paste it.');
  return secret;
}

function badInput(path: string, message: string): InvalidInputError {
  return new InvalidInputError([{ path, message }]);
}

const SEALED_SENTENCES: Partial<Record<SealError['type'], string>> & { malformed: string } = {
  malformed: 'The sealed box does not hold what a sealed key holds. Seal it with /seal.js of this server.',
  tampered: 'The sealed box does not open with the sealing key it names. Seal the secret again.',
  misdirected: 'The box was sealed for another owner, provider or base URL. Seal the secret for this one.',
};

const REFUSED_SENTENCES: Readonly<Record<SubmissionError['type'], string>> = {
  expired: 'The box was sealed more than 24 hours ago. Seal the secret again.',
  ahead:
    'The box was sealed by a clock that is more than 5 minutes ahead of this server’s. Set it right, then seal the secret again.',
  headers: 'This server takes no headers with a key yet. Seal the secret with headers null.',
};

const VERSION_2_SENTENCE =
  'This server takes sealed keys of version 2 only. Fetch /seal.js of this server again and seal the secret with it.';
