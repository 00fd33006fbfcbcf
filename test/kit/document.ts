import { readdirSync } from 'node:fs';
import {
  type DocumentNode,
  type GraphQLNamedType,
  getNamedType,
  getOperationAST,
  Kind,
  parse,
} from 'graphql';
import { compileCost, type Variables } from '../../src/execution/cost.ts';
import { schema } from '../../src/graphql/schema.ts';
import { documentOf } from './person.ts';

/** The documents of `schema/operations`, by file name. */
export const documentNames: readonly string[] = readdirSync(
  new URL('../../schema/operations/', import.meta.url),
).map((file) => file.replace('.graphql', ''));

/** Whether a document reads, changes or follows something. */
export function kindOf(name: string): 'query' | 'mutation' | 'subscription' {
  return operationIn(name).operation;
}

/** The name of a document's operation. */
export function operationNameOf(name: string): string {
  return operationIn(name).name?.value ?? '';
}

/** The type of a document's only field. */
export function rootTypeOf(name: string): GraphQLNamedType {
  const { operation, selectionSet } = operationIn(name);
  const [field] = selectionSet.selections;
  const root = schema.getRootType(operation);
  const type = field?.kind === Kind.FIELD && root?.getFields()[field.name.value]?.type;
  if (!type) throw new Error(`${name} asks for no field of ${operation}.`);
  return getNamedType(type);
}

/** What an operation costs with these variables. */
export function costOf(document: DocumentNode, variables: Variables = {}): number {
  const operation = getOperationAST(document);
  if (operation == null) throw new Error('the document has no operation, or several');
  return compileCost(schema, document, operation)(variables);
}

function operationIn(name: string) {
  const operation = getOperationAST(parse(documentOf(name)));
  if (operation == null) throw new Error(`${name} has no operation, or several.`);
  return operation;
}
