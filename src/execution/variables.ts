import { type GraphQLSchema, getVariableValues } from 'graphql';
import type { Variables } from './cost.ts';
import { NOT_RUN } from './document-limits.ts';
import type { PreparedOperation } from './prepared-document.ts';

/**
 * Refuses variables that do not match their declarations, with the first error. The executor would refuse them too, but only
 * after collecting fifty errors that each quote the whole input: seconds, for a large one.
 * Throws GraphQLError. The document must be valid.
 */
export function requireFittingVariables(
  schema: GraphQLSchema,
  { definition }: PreparedOperation,
  variables: Variables,
): void {
  const { variableDefinitions = [] } = definition;
  if (variableDefinitions.length === 0) return;
  const { errors } = getVariableValues(schema, variableDefinitions, variables, { maxErrors: 1 });
  const [error] = errors ?? [];
  if (error === undefined) return;
  error.extensions.http = NOT_RUN;
  throw error;
}
