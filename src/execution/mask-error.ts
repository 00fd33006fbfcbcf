import { GraphQLError } from 'graphql';
import { isPassingFailure } from '../db/passing-failure.ts';
import { ERROR_CODES, InvalidInputError, UserError } from '../errors.ts';
import { logFailure, logOwnFailure } from '../graphql/log-failure.ts';

/**
 * Decides what a client sees of an error that is not part of a result. Errors that somebody can mend keep their text and
 * code, those of GraphQL itself too; everything else is an INTERNAL one without details. All are logged.
 */
export function maskError(error: unknown): GraphQLError {
  const masked = mask(error);
  const { code } = masked.extensions;
  if (typeof code === 'string' && !OURS.includes(code)) logFailure(code);
  return masked;
}

/** Of failures of ours, which are logged with their name where that is known. */
const OURS = ['INTERNAL', 'OVERLOADED'];

function mask(error: unknown): GraphQLError {
  const original = error instanceof GraphQLError ? error.originalError : error;
  if (original instanceof UserError) {
    const fields = original instanceof InvalidInputError ? { fields: original.fields } : {};
    return visible(error, original.message, {
      code: original.code,
      fixableBy: original.fixableBy,
      ...fields,
    });
  }
  if (error instanceof GraphQLError && (original == null || original instanceof GraphQLError)) {
    const { code } = error.extensions;
    const isOwnCode = typeof code === 'string' && OWN_CODES.includes(code);
    // Nothing else survives: the server below puts the whole text of an error in there, which may quote the request. What
    // it calls `http` becomes the status and is never sent.
    const { fixableBy, fields, retryAt, http, originalError } = error.extensions;
    return visible(error, withoutValues(error.message), {
      code: isOwnCode ? code : 'BAD_INPUT',
      ...(fixableBy !== undefined && { fixableBy }),
      ...(fields !== undefined && { fields }),
      ...(retryAt !== undefined && { retryAt }),
      // A body that is no JSON has its status in every media type; all that tells it apart is that text.
      ...(http !== undefined && { http: originalError === undefined ? http : { ...http, spec: false } }),
    });
  }
  if (isPassingFailure(original)) {
    logOwnFailure('OVERLOADED', original);
    return visible(error, OVERLOADED, { code: 'OVERLOADED', ...retryLater() });
  }
  logOwnFailure('INTERNAL', original);
  return visible(error, 'Unexpected error.', { code: 'INTERNAL' });
}

/** The sentence for a database that is away or busy. */
export const OVERLOADED = 'The database cannot be reached, or is too busy. Wait a moment, then try again.';

function retryLater() {
  return {
    retryAt: new Date(Date.now() + RETRY_AFTER_SECONDS * 1_000).toISOString(),
    http: { status: 503, spec: true, headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } },
  };
}

/** How long to wait, from a client's side, for a database that is away or busy. */
export const RETRY_AFTER_SECONDS = 5;

/**
 * GraphQL quotes the values that it does not accept, and one of them may be a secret in the wrong place. A quoted value is as
 * long as its author likes, so each of these looks through it once.
 */
function withoutValues(message: string): string {
  return withoutEnumValue(message)
    .replace(/\b(?:Block)?String ".*"/s, 'a string')
    .replace(/(, found|\. Found|; found|(?<!invalid )\bvalue): .*/s, '$1: …');
}

function withoutEnumValue(message: string): string {
  const start = message.indexOf('Value "');
  const end = message.lastIndexOf(NO_SUCH_ENUM_VALUE);
  if (start === -1 || end < start) return message;
  return `${message.slice(0, start)}The value${message.slice(end + 1)}`;
}

const NO_SUCH_ENUM_VALUE = '" does not exist in "';

function visible(error: unknown, message: string, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions });
  const { nodes, source, positions, path } = error;
  return new GraphQLError(message, { nodes, source, positions, path, extensions });
}

/** Whatever else GraphQL and its server call it, to clients it is input that cannot be used. */
const OWN_CODES: readonly string[] = [
  // The server below says BAD_REQUEST of a malformed request; ours is about an answer and never comes this way.
  ...ERROR_CODES.filter((code) => code !== 'BAD_REQUEST'),
  'UNAUTHENTICATED',
  'DOCUMENT_LIMIT',
  'TOO_MANY_SUBSCRIPTIONS',
  'RATE_LIMITED',
  'OVERLOADED',
  'SHUTTING_DOWN',
  'INTERNAL',
];
