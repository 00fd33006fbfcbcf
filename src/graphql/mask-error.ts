import { GraphQLError } from 'graphql';
import { ERROR_CODES, InvalidInputError, UserError } from '../errors.ts';
import { failureName, log } from '../log.ts';

/**
 * Decides what a client sees of an error that is not part of a result. Errors that somebody can mend keep their text and
 * code, those of GraphQL itself too; everything else is an INTERNAL one without details, and is logged by name.
 */
export function maskError(error: unknown): GraphQLError {
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
    const { fixableBy, fields, http, originalError } = error.extensions;
    return visible(error, withoutValues(error.message), {
      code: isOwnCode ? code : 'BAD_INPUT',
      ...(fixableBy !== undefined && { fixableBy }),
      ...(fields !== undefined && { fields }),
      // A body that is no JSON has its status in every media type; all that tells it apart is that text.
      ...(http !== undefined && { http: originalError === undefined ? http : { ...http, spec: false } }),
    });
  }
  log.error({ failure: failureName(original) }, 'an operation failed');
  return visible(error, 'Unexpected error.', { code: 'INTERNAL' });
}

/** GraphQL quotes the values that it does not accept, and one of them may be a secret in the wrong place. */
function withoutValues(message: string): string {
  return withoutVariable(message)
    .replace(/Value ".*" does not exist/s, 'The value does not exist')
    .replace(/\b(?:Block)?String ".*"/s, 'a string')
    .replace(/(, found|\. Found|; found|(?<!invalid )\bvalue): .*/s, '$1: …');
}

function withoutVariable(message: string): string {
  const [start, variable] = /^Variable "(\$\w+)" got invalid value /.exec(message) ?? [];
  if (start === undefined) return message;
  const [, path = '', reason = 'It does not fit its type.'] = AFTER_VALUE.exec(message) ?? [];
  return `Variable "${variable}" has an invalid value${path}: ${reason}`;
}

/** What follows the value of a variable: where in it the fault lies, and the sentence that says which. */
const AFTER_VALUE =
  /( at "[\w.[\]]+")?; ((?:Expected value|Value "|Enum "|Field "|A DateTime |[A-Z]\w+ cannot represent).*)$/s;

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
