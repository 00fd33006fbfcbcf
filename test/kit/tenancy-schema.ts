import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
  OperationTypeNode,
} from 'graphql';
import type { Maybe } from 'graphql/jsutils/Maybe.js';
import { parseWithinLimits } from '../../src/execution/document-limits.ts';
import { schema } from '../../src/graphql/schema.ts';
import { costOf } from './document.ts';

/** A field of one of the three roots. */
export interface Entry {
  operation: OperationTypeNode;
  field: GraphQLField<unknown, unknown>;
}

/** Every field through which a client enters the API. */
export const ENTRIES: readonly Entry[] = entriesOf(schema);

/** The root fields of this schema. */
export function entriesOf(known: GraphQLSchema): Entry[] {
  return Object.values(OperationTypeNode).flatMap((operation) =>
    Object.values(known.getRootType(operation)?.getFields() ?? {}).map((field) => ({ operation, field })),
  );
}

/** The entry with this name. */
export function entryOf(name: string): Entry {
  const entry = ENTRIES.find(({ field }) => field.name === name);
  if (entry === undefined) throw new Error(`the schema has no root field ${name}`);
  return entry;
}

/** Where an input can be given: `updateMember.input.userId`, and the name of its type without wrappers. */
export interface InputPlace {
  path: string;
  typeName: string;
}

/** Every leaf of every argument of every entry, those of nested inputs included. */
export function inputPlaces(): InputPlace[] {
  return ENTRIES.flatMap(({ field }) => field.args.flatMap((argument) => leavesOf(field.name, argument)));
}

function leavesOf(path: string, input: GraphQLArgument | GraphQLInputField): InputPlace[] {
  const type = getNamedType(input.type);
  const here = `${path}.${input.name}`;
  if (!isInputObjectType(type)) return [{ path: here, typeName: type.name }];
  return Object.values(type.getFields()).flatMap((field) => leavesOf(here, field));
}

/** Every type of object that can be in an answer, by name, with the fields that hold an id of something else. */
export function objectTypes(): { name: string; idFields: string[] }[] {
  return Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith('__') && !ROOTS.includes(name))
    .map((type) => ({
      name: type.name,
      idFields: Object.values(type.getFields())
        .filter((field) => getNamedType(field.type).name === 'ID' && field.name !== 'id')
        .map((field) => `${type.name}.${field.name}`),
    }));
}

const ROOTS = Object.values(OperationTypeNode).map((operation) => schema.getRootType(operation)?.name ?? '');

/** What a selection is made with. */
export interface SelectionOptions {
  /** How many objects may be nested into each other; connections and their nodes do not count. */
  depth: number;
  /** Everything there is, or what says what an object is: ids, and all of an error. */
  leaves: 'all' | 'ids';
  /** How many rows of each page. */
  first: number;
  /** The schema as a client knows it; the server's own if absent. */
  known?: GraphQLSchema;
}

interface Selection {
  /** All before the braces, e.g. `threads(first: 5)`. */
  head: string;
  leaves: string[];
  inner: Selection[];
}

/**
 * Documents that together ask for everything that an entry leads to, down to this depth. What would be more than the API
 * allows in one is cut into several.
 */
export function documentsOf(entry: Entry, options: SelectionOptions): string[] {
  const { operation, field } = entry;
  const asked = field.args.filter(isRequiredArgument);
  const variables = asked.map(({ name, type }) => `$${name}: ${type}`).join(', ');
  const given = asked.map(({ name }) => `${name}: $${name}`).join(', ');
  const head = field.name + (given && `(${given})`);
  const asText = (selection: Selection) =>
    `${operation}${variables && ` (${variables})`} { ${print(selection)} }`;
  return withinLimits({ ...selectionOf(field.type, options), head }, asText).map(asText);
}

function selectionOf(outputType: GraphQLOutputType, options: SelectionOptions): Omit<Selection, 'head'> {
  const type = getNamedType(outputType);
  if (!isCompositeType(type)) return { leaves: [], inner: [] };
  const all: Omit<Selection, 'head'> = { leaves: [], inner: [] };
  if (isUnionType(type) || isInterfaceType(type)) {
    const kinds = isUnionType(type) ? type.getTypes() : (options.known ?? schema).getPossibleTypes(type);
    // Asked for apart from the kinds, since a document that is cut has some of them only.
    if (isInterfaceType(type) && Object.hasOwn(type.getFields(), 'id')) all.leaves.push('id');
    const shapes = new Map<string, string>();
    for (const kind of kinds) {
      const part = selectionOf(kind, options);
      const aliased = aliasConflicts(kind.name, part, shapes, kind.getFields());
      all.inner.push({ ...aliased, head: `... on ${kind.name}` });
    }
    return all;
  }
  all.leaves.push('__typename');
  const isError = type.name.endsWith('Error');
  const isConnecting = /(Connection|Edge)$/.test(type.name);
  for (const field of Object.values(type.getFields())) {
    const named = getNamedType(field.type);
    if (field.args.some(isRequiredArgument)) continue;
    if (!isCompositeType(named)) {
      if (options.leaves === 'all' || isError || named.name === 'ID') all.leaves.push(field.name);
      continue;
    }
    const isPart = isConnecting || field.args.some(({ name }) => name === 'first');
    // A list is read once: its edges hold the same nodes again.
    if (isConnecting && field.name !== 'nodes') continue;
    const depth = isPart && isConnecting ? options.depth : options.depth - 1;
    if (depth < 0) continue;
    const page = field.args.some(({ name }) => name === 'first') ? `(first: ${options.first})` : '';
    all.inner.push({ ...selectionOf(field.type, { ...options, depth }), head: field.name + page });
  }
  return all;
}

/** Two members of a union may have different things under one name, which GraphQL does not allow side by side. */
function aliasConflicts(
  typeName: string,
  { leaves, inner }: Omit<Selection, 'head'>,
  shapes: Map<string, string>,
  fields: Readonly<Record<string, Maybe<{ type: GraphQLOutputType }>>>,
): Omit<Selection, 'head'> {
  const named = (head: string) => {
    const name = head.split('(')[0] ?? '';
    const shape = String(fields[name]?.type);
    const taken = shapes.get(name);
    if (taken === undefined) shapes.set(name, shape);
    return taken === undefined || taken === shape ? head : `${name}Of${typeName}: ${head}`;
  };
  return {
    leaves: leaves.map(named),
    inner: inner.map((selection) => ({ ...selection, head: named(selection.head) })),
  };
}

function print({ head, leaves, inner }: Selection): string {
  return `${head} { ${[...leaves, ...inner.map(print)].join(' ')} }`;
}

function withinLimits(selection: Selection, asText: (selection: Selection) => string): Selection[] {
  if (isAllowed(asText(selection))) return [selection];
  return cut(selection).flatMap((part) => withinLimits(part, asText));
}

/** One part for every object that this one leads to; where that is one only, its parts, or what there is without its end. */
function cut(selection: Selection): Selection[] {
  const [first, ...others] = selection.inner;
  if (first === undefined) throw new Error(`too large, and cannot be cut: ${selection.head}`);
  if (others.length > 0) return selection.inner.map((inner) => ({ ...selection, inner: [inner] }));
  const isPart = first.head.startsWith('...');
  // Without the part of a member nothing is left to ask of a union.
  if (first.inner.length === 0) return isPart ? [] : [{ ...selection, inner: [] }];
  const parts = cut(first);
  if (parts.length === 0) return [{ ...selection, inner: [] }];
  return parts.map((inner) => ({ ...selection, inner: [inner] }));
}

function isAllowed(text: string): boolean {
  try {
    return costOf(parseWithinLimits(text)) <= MAX_COST;
  } catch {
    return false;
  }
}

const MAX_COST = 30_000; // what the server allows
