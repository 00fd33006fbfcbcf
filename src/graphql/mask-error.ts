import { GraphQLError } from 'graphql';
import { InvalidInputError, UserError } from '../errors.ts';
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
    return visible(error, error.message, { code: 'BAD_INPUT', ...error.extensions });
  }
  log.error({ failure: failureName(original) }, 'an operation failed');
  return visible(error, 'Unexpected error.', { code: 'INTERNAL' });
}

function visible(error: unknown, message: string, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions });
  const { nodes, source, positions, path } = error;
  return new GraphQLError(message, { nodes, source, positions, path, extensions });
}
