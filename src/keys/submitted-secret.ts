import { and, eq, lt } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { tenantGeneration } from '../db/sealing-generation.ts';
import { usedBoxes } from '../db/tables/api-key.ts';
import { InvalidInputError, StaleSealingKeyError } from '../errors.ts';
import { checkBaseUrl, ForbiddenAddressError } from '../providers/http/address.ts';
import { normaliseSecret, SecretFormatError } from '../providers/key-format.ts';
import type { Credentials, Provider, ProviderName } from '../providers/provider.ts';
import {
  type ClientBox,
  ClientBoxError,
  type OpenedBox,
  openClientBox,
  sealingKeyOf,
  type TimedBox,
} from '../vault/client-box.ts';
import { type RootKey, SealError, sealRecord } from '../vault/seal.ts';
import type { KeyDeps } from './api-key.ts';
import { checkSecret, requireAccepted } from './check.ts';
import type { CheckResult } from './health.ts';
import { encodeKeyContent } from './key-content.ts';
import { checkHeaders } from './key-headers.ts';

/**
 * Opens a submitted secret and checks it with its provider. The caller then records its box with `useBox`. Throws
 * ProviderRefusedError, and InvalidInputError for a submitted base URL whose name resolves into a private network.
 */
export async function checkSubmittedSecret(
  deps: KeyDeps,
  viewer: Viewer,
  input: SecretInput,
  { tenantId, provider: name, baseUrl }: KeyIdentity,
  submittedBaseUrl: string | null,
): Promise<CheckedSecret> {
  const provider = deps.providers[name];
  const tenant = { id: tenantId, generation: await tenantGeneration(deps.db, tenantId) };
  const { credentials, box } = readSubmittedSecret(deps, input, tenant, provider, submittedBaseUrl);
  await requireUnusedBox(deps.db, tenantId, box);
  const { result } = await deps.checkLimits.run(viewer, async () => ({
    result: await checkSecret(deps, { provider: name, baseUrl, tenantId }, credentials),
  }));
  if (result.forbidden !== undefined && submittedBaseUrl !== null)
    throw new InvalidInputError('baseUrl', result.forbidden);
  requireAccepted(result, provider, credentials.secret);
  return { credentials, box, result };
}

/** A submitted secret, the headers that belong to it, and the box if it was sealed. */
export interface SubmittedSecret extends Pick<OpenedBox, 'box'> {
  credentials: Credentials;
}

/** A submitted secret that its provider did not refuse. */
export interface CheckedSecret extends SubmittedSecret {
  result: CheckResult;
}

/** The columns that hold a secret and its headers. The generation is read again here, because the check before took seconds. */
export async function sealedColumns(
  tx: Pick<Database, 'select'>,
  root: RootKey,
  { id, tenantId, provider, baseUrl }: KeyIdentity,
  version: number,
  credentials: Credentials,
) {
  const generation = await tenantGeneration(tx, tenantId);
  const context = { tenantId, apiKeyId: id, provider, baseUrl, generation, version };
  const record = sealRecord(root, context, encodeKeyContent(credentials));
  return { hint: hintOf(credentials.secret), generation, version, ...record };
}

/** What the sealed record of a key is bound to. */
export interface KeyIdentity {
  id: string;
  /** The workspace or team that owns it. */
  tenantId: string;
  provider: ProviderName;
  baseUrl: string;
}

/** The base URL that a key of this provider is bound to. Throws InvalidInputError. */
export function checkKeyBaseUrl(
  provider: Provider,
  baseUrl: string | null,
  allowedPrivateHosts: readonly string[],
): string {
  if (provider.baseUrl !== null) {
    if (baseUrl === null) return provider.baseUrl;
    throw new InvalidInputError(
      'baseUrl',
      `${provider.title} has a base URL of its own. Leave baseUrl out, or choose CUSTOM.`,
    );
  }
  if (baseUrl === null)
    throw new InvalidInputError(
      'baseUrl',
      'A CUSTOM key needs the base URL of its server, e.g. https://llm.example.com/v1.',
    );
  try {
    return checkBaseUrl(baseUrl, allowedPrivateHosts);
  } catch (error) {
    if (error instanceof ForbiddenAddressError) throw new InvalidInputError('baseUrl', error.message);
    throw error;
  }
}

/**
 * Records a box as used, in the transaction that stores its secret. Nothing else uses it up: after a provider that refuses or
 * does not answer, or a transaction that fails, the box can be sent again until it expires, which limits what an attacker who
 * captured it can do. Of two requests with one box, only one commits. Throws InvalidInputError if the box was used before.
 */
export async function useBox(
  tx: Pick<Database, 'insert'>,
  tenantId: string,
  box: TimedBox | null,
): Promise<void> {
  if (box === null) return;
  const recorded = await tx
    .insert(usedBoxes)
    .values({ tenantId, ...box })
    .onConflictDoNothing()
    .returning({ boxId: usedBoxes.boxId });
  if (recorded.length === 0) throw usedBefore();
}

/**
 * Refuses a used box before its provider is asked, so that a captured box cannot be replayed to learn whether the key still
 * works. Throws InvalidInputError.
 */
export async function requireUnusedBox(
  db: Pick<Database, 'select' | 'delete'>,
  tenantId: string,
  box: TimedBox | null,
): Promise<void> {
  if (box === null) return;
  await db.delete(usedBoxes).where(lt(usedBoxes.validUntil, new Date(Date.now() - KEPT_LONGER_MS)));
  const used = await db
    .select({ boxId: usedBoxes.boxId })
    .from(usedBoxes)
    .where(and(eq(usedBoxes.tenantId, tenantId), eq(usedBoxes.boxId, box.boxId)));
  if (used.length > 0) throw usedBefore();
}

/** A submitted secret: either sealed by the client or, where the server allows it, in plain text. */
export interface SecretInput {
  secret?: string | null | undefined;
  sealed?: ClientBox | null | undefined;
}

/**
 * Reads a submitted secret, in the form the provider expects, and its box if it was sealed. `baseUrl` is the one that the client
 * sent with it, null for a provider with a base URL of its own. Throws InvalidInputError or StaleSealingKeyError.
 */
export function readSubmittedSecret(
  deps: Pick<KeyDeps, 'rootKeys' | 'requireSealedKeys'>,
  input: SecretInput,
  tenant: { id: string; generation: number },
  provider: Provider,
  baseUrl: string | null,
): SubmittedSecret {
  if ((input.secret == null) === (input.sealed == null))
    throw new InvalidInputError('secret', 'Give either secret or sealed, and not both.');
  if (input.sealed == null) {
    if (deps.requireSealedKeys !== 'off')
      throw new InvalidInputError(
        'secret',
        'This server takes only sealed keys. Seal the secret with /seal.js and send sealed.',
      );
    return { credentials: { secret: clean('secret', input.secret ?? '', provider) }, box: null };
  }
  const expected = { tenantId: tenant.id, generation: tenant.generation, provider: provider.name, baseUrl };
  try {
    const { box, ...opened } = openClientBox(deps.rootKeys, expected, input.sealed);
    if (box === null && deps.requireSealedKeys === 'v2')
      throw new InvalidInputError('sealed', VERSION_2_SENTENCE);
    const secret = clean('sealed', opened.secret, provider);
    const headers = checkHeaders(opened.headers, provider, secret);
    return { credentials: { secret, ...(headers && { headers }) }, box };
  } catch (error) {
    if (error instanceof ClientBoxError) throw new InvalidInputError('sealed', REFUSED_SENTENCES[error.type]);
    if (!(error instanceof SealError)) throw error;
    if (error.type === 'stale')
      throw new StaleSealingKeyError(sealingKeyOf(deps.rootKeys[0], tenant.id, tenant.generation));
    throw new InvalidInputError('sealed', SEALED_SENTENCES[error.type] ?? SEALED_SENTENCES.malformed);
  }
}

/** The end of the secret, by which people recognise it; null for one so short that this would reveal much of it. */
function hintOf(secret: string): string | null {
  return secret.length >= 20 ? secret.slice(-4) : null;
}

function usedBefore(): InvalidInputError {
  const message =
    'This sealed box was used before, so its key was saved. To send the secret again, seal it again.';
  return new InvalidInputError('sealed', message);
}

/** Rows outlive their box, so that setting the clock back does not make a box valid again whose row is gone. */
const KEPT_LONGER_MS = 60 * 60 * 1_000;

function clean(path: string, text: string, provider: Provider): string {
  let secret: string;
  try {
    secret = normaliseSecret(text);
  } catch (error) {
    if (error instanceof SecretFormatError) throw new InvalidInputError(path, error.message);
    throw error;
  }
  // A self-hosted server may need no key at all.
  if (secret === '' && provider.baseUrl !== null)
    throw new InvalidInputError(path, 'The key is empty. Paste it.');
  return secret;
}

const SEALED_SENTENCES: Partial<Record<SealError['type'], string>> & { malformed: string } = {
  malformed: 'The sealed box does not hold what a sealed key holds. Seal it with /seal.js of this server.',
  tampered: 'The sealed box does not open with the sealing key it names. Seal the secret again.',
  misdirected: 'The box was sealed for another owner, provider or base URL. Seal the secret for this one.',
};

const REFUSED_SENTENCES: Readonly<Record<ClientBoxError['type'], string>> = {
  expired: 'The box was sealed more than 24 hours ago. Seal the secret again.',
  ahead:
    'The box was sealed by a clock that is more than 5 minutes ahead of this server’s. Set it right, then seal the secret again.',
};

const VERSION_2_SENTENCE =
  'This server takes sealed keys of version 2 only. Fetch /seal.js of this server again and seal the secret with it.';
