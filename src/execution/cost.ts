import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getOperationAST,
  isCompositeType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromASTUntyped,
} from 'graphql';
import { refused } from './document-limits.ts';

/** The operation of a document to run, and its variables. */
export interface OperationParams {
  operationName?: string | null | undefined;
  variables?: Readonly<Record<string, unknown>> | null | undefined;
}

/**
 * Returns the cost of an operation; throws GraphQLError if it is too high. Nested pages multiply, and their sizes may be
 * variables, so this is computed for each request and not cached with the document. For a subscription it is the cost of one
 * event. The document must be valid.
 */
export function requireAffordable(
  schema: GraphQLSchema,
  document: DocumentNode,
  params: OperationParams,
): number {
  const cost = costOf(schema, document, params);
  if (cost <= MAX_COST) return cost;
  throw refused(
    'The operation could return too much at once. Ask for smaller pages (`first`, `last`), or for less of each item.',
  );
}

/** The most fields an operation could return, with every row of a page counted as several more. */
export function costOf(schema: GraphQLSchema, document: DocumentNode, params: OperationParams): number {
  const operation = getOperationAST(document, params.operationName);
  const root = operation && schema.getRootType(operation.operation);
  if (!operation || !root) return 0; // it will not run
  const variables = { ...defaultsOf(operation), ...params.variables };
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);

  /** `rows` is the size of the page that the selection set belongs to, if it belongs to one. */
  function costOfSet(set: SelectionSetNode, type: GraphQLCompositeType, rows: number | undefined): number {
    let cost = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        cost += costOfField(selection, type, rows);
        continue;
      }
      const part = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection;
      const condition = part?.typeCondition && schema.getType(part.typeCondition.name.value);
      if (part !== undefined)
        cost += costOfSet(part.selectionSet, isCompositeType(condition) ? condition : type, rows);
    }
    return cost;
  }

  function costOfField(node: FieldNode, parent: GraphQLCompositeType, rows: number | undefined): number {
    const field = schema.getField(parent, node.name.value);
    const type = field && getNamedType(field.type);
    if (node.selectionSet === undefined || !isCompositeType(type) || node.name.value.startsWith('__'))
      return 1;
    const given = (name: string): unknown => {
      const argument = node.arguments?.find((each) => each.name.value === name);
      return argument && valueFromASTUntyped(argument.value, variables);
    };
    const isPaged = field?.args.some(({ name }) => name === 'first') === true;
    const page = isPaged ? pageSize(given('first') ?? given('last')) : undefined;
    const ofOne = costOfSet(node.selectionSet, type, page);
    if (!isListType(field && getNullableType(field.type))) return 1 + ofOne;
    const ids = given('ids');
    const rowsRead = Array.isArray(ids) ? ids.length : rows;
    return 1 + (rowsRead === undefined ? ITEMS_OF_PLAIN_LIST * ofOne : rowsRead * (COST_OF_ROW + ofOne));
  }

  return costOfSet(operation.selectionSet, root, undefined);
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue === undefined ? [] : [[variable.name.value, valueFromASTUntyped(defaultValue)]],
    ),
  );
}

/** An invalid page size is refused later, with a better sentence. */
function pageSize(value: unknown): number {
  return typeof value === 'number' ? Math.min(Math.max(value, 1), LARGEST_PAGE) : DEFAULT_PAGE;
}

// Fields. One model selector of 500 models is 17,500, or 20,500 with the `__typename` that Apollo and urql add to every object,
// and takes some tens of milliseconds.
const MAX_COST = 24_000;
const COST_OF_ROW = 10; // it is read from the database, and its texts stay in memory until the response is sent
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500; // of models; no other page is larger than 100
const ITEMS_OF_PLAIN_LIST = 10; // lists without pages are short: answers, citations
