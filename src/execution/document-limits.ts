import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  parse,
  type SelectionSetNode,
  validate,
} from 'graphql';
import { maskError } from './mask-error.ts';

/**
 * Parses a document and refuses one that is too large, before it is validated or run: validation alone can be made to take
 * seconds. Throws GraphQLError, also for a document that overflows the parser's stack.
 */
export function parseWithinLimits(source: string): DocumentNode {
  const document = parseTokens(source);
  const size = sizeOfDocument(document);
  if (size.depth > MAX_DEPTH) throw refused(`The document is nested deeper than ${MAX_DEPTH} levels.`);
  if (size.fields > MAX_FIELDS) throw refused(`The document selects more than ${MAX_FIELDS} fields.`);
  if (size.aliases > MAX_ALIASES) throw refused(`The document has more than ${MAX_ALIASES} aliases.`);
  if (size.introspections > MAX_INTROSPECTIONS)
    throw refused(`The document asks for the schema more than ${MAX_INTROSPECTIONS} times.`);
  return document;
}

/**
 * The first few validation errors of a document, since each may quote it at length, and they are cached as long as the
 * document.
 */
export function validateWithinLimits(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
  return validate(schema, document, undefined, { maxErrors: MAX_FAULTS });
}

/** The error for a document over a limit. */
export function refused(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'DOCUMENT_LIMIT', http: NOT_RUN } });
}

function parseTokens(source: string): DocumentNode {
  try {
    return parse(source, { maxTokens: MAX_TOKENS });
  } catch (error) {
    if (error instanceof GraphQLError && !TOO_MANY_TOKENS.test(error.message)) {
      error.extensions.http = NOT_RUN;
      throw maskError(error);
    }
    if (error instanceof GraphQLError) throw refused(`The document has more than ${MAX_TOKENS} tokens.`);
    // Thousands of nested braces overflow the parser's stack.
    throw refused('The document is nested too deeply to be read.');
  }
}

interface Size {
  depth: number;
  fields: number;
  aliases: number;
  introspections: number;
}

/** The size of all operations together, with every fragment counted where it is spread. */
function sizeOfDocument({ definitions }: DocumentNode): Size {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  // A fragment that doubles another one, which doubles another one: each is measured once.
  const measured = new Map<string, Size>();

  function sizeOfFragment(name: string): Size {
    const known = measured.get(name);
    const fragment = fragments.get(name);
    if (known !== undefined || fragment === undefined) return known ?? NOTHING;
    measured.set(name, NOTHING); // if it spreads itself it adds nothing here; validation refuses it
    const size = sizeOfSet(fragment.selectionSet);
    measured.set(name, size);
    return size;
  }

  function sizeOfSet({ selections }: SelectionSetNode): Size {
    const size = { ...NOTHING };
    for (const selection of selections) {
      let inner: Size = NOTHING;
      if (selection.kind === Kind.FRAGMENT_SPREAD) inner = sizeOfFragment(selection.name.value);
      else if (selection.selectionSet !== undefined) inner = sizeOfSet(selection.selectionSet);
      size.fields += inner.fields;
      size.aliases += inner.aliases;
      size.introspections += inner.introspections;
      if (selection.kind !== Kind.FIELD) {
        size.depth = Math.max(size.depth, inner.depth);
        continue;
      }
      const isIntrospection = INTROSPECTION.includes(selection.name.value);
      // Types of types nest deeply by nature; a rule of GraphQL's own ends that.
      size.depth = Math.max(size.depth, isIntrospection ? 1 : inner.depth + 1);
      size.fields += 1;
      if (selection.alias !== undefined) size.aliases += 1;
      if (isIntrospection) size.introspections += 1;
    }
    return size;
  }

  const total = { ...NOTHING };
  for (const definition of definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const size = sizeOfSet(definition.selectionSet);
    total.depth = Math.max(total.depth, size.depth);
    total.fields += size.fields;
    total.aliases += size.aliases;
    total.introspections += size.introspections;
  }
  return total;
}

/** Becomes the status of a response to what was not run, except for the older media type, where GraphQL's own errors have 200. */
export const NOT_RUN = { status: 400, spec: true };

const NOTHING: Size = { depth: 0, fields: 0, aliases: 0, introspections: 0 };
const INTROSPECTION = ['__schema', '__type'];
const TOO_MANY_TOKENS = /contains more than \d+ tokens/;
const MAX_TOKENS = 2_000; // four times the longest document of GraphiQL, which asks for the whole schema
const MAX_DEPTH = 12; // a list of a list takes seven levels
const MAX_FIELDS = 500; // as written out, fragments included
const MAX_ALIASES = 30;
const MAX_INTROSPECTIONS = 2;
const MAX_FAULTS = 5;
