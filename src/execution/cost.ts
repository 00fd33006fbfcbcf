import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
  valueFromASTUntyped,
} from 'graphql';
import { refused } from './document-limits.ts';

/** Raw variables of an operation. */
export type Variables = Readonly<Record<string, unknown>>;

/** Throws GraphQLError for an operation of too high a cost. */
export function requireAffordable(cost: number): void {
  if (cost <= MAX_COST) return;
  throw refused(
    'The operation could return too much at once. Ask for smaller pages (`first`, `last`), or for less of each item.',
  );
}

/**
 * Compiles the cost of an operation: the most fields it could return, with every row of a page counted as several more. Nested
 * pages multiply, and their sizes may be variables, so only the parts without variables are added up here. For a subscription
 * it is the cost of one event. The document must be valid.
 */
export function compileCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): (variables: Variables) => number {
  const root = schema.getRootType(operation.operation);
  if (!root) return () => 0; // it will not run
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);

  /** `rows` is the size of the page that the selection set belongs to, if it belongs to one. */
  function costOfSet(set: SelectionSetNode, type: GraphQLCompositeType, rows: Amount | undefined): Amount {
    return sum(
      set.selections.map((selection) => {
        if (selection.kind === Kind.FIELD) return costOfField(selection, type, rows);
        const part =
          selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection;
        if (part === undefined) return 0;
        const condition = part.typeCondition && schema.getType(part.typeCondition.name.value);
        return costOfSet(part.selectionSet, isCompositeType(condition) ? condition : type, rows);
      }),
    );
  }

  function costOfField(node: FieldNode, parent: GraphQLCompositeType, rows: Amount | undefined): Amount {
    const field = schema.getField(parent, node.name.value);
    const type = field && getNamedType(field.type);
    if (node.selectionSet === undefined || !isCompositeType(type) || node.name.value.startsWith('__'))
      return 1;
    const isPaged = field?.args.some(({ name }) => name === 'first') === true;
    const page = isPaged ? pageSize(node) : undefined;
    const ofOne = costOfSet(node.selectionSet, type, page);
    if (!isListType(field && getNullableType(field.type))) return sum([1, ofOne]);
    const rowsRead = rowsOf(node, rows);
    return apply([rowsRead, ofOne], (count, cost) =>
      count === NOT_PAGED ? 1 + ITEMS_OF_PLAIN_LIST * cost : 1 + count * (COST_OF_ROW + cost),
    );
  }

  const cost = costOfSet(operation.selectionSet, root, undefined);
  if (typeof cost === 'number') return () => cost;
  const defaults = defaultsOf(operation);
  return (variables) => cost({ ...defaults, ...variables });
}

/** A number that is the same for all variables, or is computed from them. */
type Amount = number | ((variables: Variables) => number);

function valueWith(amount: Amount, variables: Variables): number {
  return typeof amount === 'number' ? amount : amount(variables);
}

function apply([left, right]: [Amount, Amount], compute: (left: number, right: number) => number): Amount {
  if (typeof left === 'number' && typeof right === 'number') return compute(left, right);
  return (variables) => compute(valueWith(left, variables), valueWith(right, variables));
}

function sum(amounts: readonly Amount[]): Amount {
  const fixed = amounts
    .filter((amount) => typeof amount === 'number')
    .reduce((total, each) => total + each, 0);
  const varying = amounts.filter((amount) => typeof amount === 'function');
  if (varying.length === 0) return fixed;
  return (variables) => varying.reduce((total, each) => total + each(variables), fixed);
}

/** An invalid page size is refused later, with a better sentence. */
function pageSize(node: FieldNode): Amount {
  return amountOf([argumentOf(node, 'first'), argumentOf(node, 'last')], (first, last) => {
    const size = first ?? last;
    return typeof size === 'number' ? Math.min(Math.max(size, 1), LARGEST_PAGE) : DEFAULT_PAGE;
  });
}

/** How many rows a list reads: as many as `ids` names, else those of its page. */
function rowsOf(node: FieldNode, rows: Amount = NOT_PAGED): Amount {
  const named = amountOf([argumentOf(node, 'ids')], (ids) => (Array.isArray(ids) ? ids.length : NOT_PAGED));
  return apply([named, rows], (count, otherwise) => (count === NOT_PAGED ? otherwise : count));
}

/** Computes an amount from arguments, now if none of them contains a variable. */
function amountOf(
  nodes: readonly (ArgumentNode | undefined)[],
  compute: (...values: unknown[]) => number,
): Amount {
  const withVariables = (variables: Variables) =>
    compute(...nodes.map((node) => node && valueFromASTUntyped(node.value, variables)));
  return nodes.some((node) => node && hasVariable(node.value)) ? withVariables : withVariables({});
}

function argumentOf(node: FieldNode, name: string): ArgumentNode | undefined {
  return node.arguments?.find((each) => each.name.value === name);
}

function hasVariable(value: ValueNode): boolean {
  if (value.kind === Kind.VARIABLE) return true;
  return value.kind === Kind.LIST && value.values.some(hasVariable);
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Variables {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) =>
      defaultValue === undefined ? [] : [[variable.name.value, valueFromASTUntyped(defaultValue)]],
    ),
  );
}

const NOT_PAGED = -1;

// Fields. One model selector of 500 models is 17,500, or 20,500 with the `__typename` that Apollo and urql add to every object,
// and takes some tens of milliseconds. A hundred messages of a thread with all there is to them are 24,000, or 29,000.
const MAX_COST = 30_000;
const COST_OF_ROW = 10; // it is read from the database, and its texts stay in memory until the response is sent
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500; // of models; no other page is larger than 100
const ITEMS_OF_PLAIN_LIST = 10; // lists without pages are short: answers, citations
