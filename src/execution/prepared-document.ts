import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import { compileCost, type Variables } from './cost.ts';
import { parseWithinLimits, validateWithinLimits } from './document-limits.ts';

/** A parsed and validated document with everything about it that does not depend on variables: it is cached by its text. */
export interface PreparedDocument {
  text: string;
  document: DocumentNode;
  /** Errors of the validation; nothing of a document with errors runs. */
  errors: readonly GraphQLError[];
  /** The operation to run; undefined if the name is missing and there are several, or there is none of that name. */
  operation(name: string | null | undefined): PreparedOperation | undefined;
}

export interface PreparedOperation {
  definition: OperationDefinitionNode;
  /** The cost with these variables. */
  costWith(variables: Variables): number;
}

/** Parses and validates a document. Throws GraphQLError if it cannot be parsed or is over a limit. */
export function prepareDocument(schema: GraphQLSchema, text: string): PreparedDocument {
  const document = parseWithinLimits(text);
  const errors = validateWithinLimits(schema, document);
  const operations = new Map<OperationDefinitionNode, PreparedOperation>();
  return {
    text,
    document,
    errors,
    operation(name) {
      const definition = getOperationAST(document, name);
      if (!definition) return undefined;
      const known = operations.get(definition);
      if (known !== undefined) return known;
      const operation = { definition, costWith: compileCost(schema, document, definition) };
      operations.set(definition, operation);
      return operation;
    },
  };
}
