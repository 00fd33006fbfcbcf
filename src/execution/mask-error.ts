import { type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { isTransientFailure } from '../db/transient-failure.ts';
import { ERROR_CODES, InvalidInputError, ShuttingDownError, UserError } from '../errors.ts';
import { logFailure, logOwnFailure } from '../graphql/log-failure.ts';

/**
 * Masks an error that is not part of a result. Errors that a client or person can fix keep their text and code, GraphQL's own
 * too; every other one becomes INTERNAL without details. All are logged.
 */
export function maskError(error: unknown): GraphQLError {
  const masked = mask(error);
  const { code } = masked.extensions;
  if (typeof code === 'string' && !OURS.includes(code)) logFailure(code);
  return masked;
}

/** An error as it is sent where no response can have its status: masked, and without it. */
export function formatError(error: unknown): GraphQLFormattedError {
  const masked = maskError(error);
  const { http: _status, ...extensions } = masked.extensions;
  return { ...masked.toJSON(), extensions };
}

/** A result as it is sent. */
export function formatResult({ data, errors }: Result): FormattedExecutionResult {
  return {
    ...(data !== undefined && { data }),
    ...(errors !== undefined && { errors: errors.map(formatError) }),
  };
}

interface Result {
  data?: Record<string, unknown> | null | undefined;
  errors?: readonly GraphQLError[] | undefined;
}

/** For our own failures, which are logged with their name if it is known. */
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
    // No other extension is kept: Yoga puts the original error there, whose text may quote the request. Its `http` becomes the
    // status and is never sent.
    const { fixableBy, fields, retryAt, http, originalError } = error.extensions;
    return visible(error, withoutValues(error.message), {
      code: isOwnCode ? code : 'BAD_INPUT',
      ...(fixableBy !== undefined && { fixableBy }),
      ...(fields !== undefined && { fields }),
      ...(retryAt !== undefined && { retryAt }),
      // A body that is no JSON keeps its status in every media type; only Yoga's text identifies it.
      ...(http !== undefined && { http: originalError === undefined ? http : { ...http, spec: false } }),
    });
  }
  if (original instanceof ShuttingDownError)
    return visible(error, original.message, { code: 'SHUTTING_DOWN', ...retryLater(original.retryAt) });
  if (isTransientFailure(original)) {
    logOwnFailure('OVERLOADED', original);
    return visible(error, OVERLOADED, { code: 'OVERLOADED', ...retryLater() });
  }
  logOwnFailure('INTERNAL', original);
  return visible(error, 'Unexpected error.', { code: 'INTERNAL' });
}

/** The sentence for a database that is away or busy. */
export const OVERLOADED = 'The database cannot be reached, or is too busy. Wait a moment, then try again.';

function retryLater(retryAt = new Date(Date.now() + RETRY_AFTER_SECONDS * 1_000)) {
  return {
    retryAt: retryAt.toISOString(),
    http: { status: 503, spec: true, headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } },
  };
}

/** `retryAt` for a database that is away or busy. */
export const RETRY_AFTER_SECONDS = 5;

/**
 * GraphQL quotes values that it refuses, and one of them may be a secret in the wrong place. A quoted value may be long, so
 * each of these expressions takes linear time.
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

/** Codes of GraphQL and Yoga for invalid input, which clients get as one code. */
const OWN_CODES: readonly string[] = [
  // Yoga's BAD_REQUEST means a malformed request; ours is a code of an answer and never gets here.
  ...ERROR_CODES.filter((code) => code !== 'BAD_REQUEST'),
  'UNAUTHENTICATED',
  'DOCUMENT_LIMIT',
  'TOO_MANY_SUBSCRIPTIONS',
  'RATE_LIMITED',
  'OVERLOADED',
  'SHUTTING_DOWN',
  'INTERNAL',
];
