import { type DocumentNode, type GraphQLSchema, getOperationAST, getVariableValues } from 'graphql';
import type { OperationParams } from './cost.ts';
import { NOT_RUN } from './document-limits.ts';

/**
 * Refuses variables that do not match their declarations, with the first error. The executor would refuse them too, but only
 * after collecting fifty errors that each quote the whole input: seconds, for a large one.
 * Throws GraphQLError. The document must be valid.
 */
export function requireFittingVariables(
  schema: GraphQLSchema,
  document: DocumentNode,
  { operationName, variables }: OperationParams,
): void {
  const operation = getOperationAST(document, operationName);
  if (!operation) return; // it will not run
  const definitions = operation.variableDefinitions ?? [];
  const { errors } = getVariableValues(schema, definitions, variables ?? {}, { maxErrors: 1 });
  const [error] = errors ?? [];
  if (error === undefined) return;
  error.extensions.http = NOT_RUN;
  throw error;
}
