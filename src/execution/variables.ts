import { type DocumentNode, type GraphQLSchema, getOperationAST, getVariableValues } from 'graphql';
import type { OperationParams } from './cost.ts';
import { NOT_RUN } from './document-limits.ts';

/**
 * Refuses variables that do not fit what an operation declares, with the first fault. Whoever runs the operation would refuse
 * them too, but only after it had looked for fifty faults and quoted all that was sent in each: seconds, for a large input.
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
