import { type DocumentNode, GraphQLError, Kind, parse, type SelectionSetNode } from 'graphql';
import { maskError } from './mask-error.ts';

/**
 * Parses a document and refuses one that is too large to be looked at, before it is validated or run: validation alone can
 * be made to take seconds. Throws GraphQLError, also for what makes the parser give up altogether.
 */
export function parseWithinLimits(source: string): DocumentNode {
  let document: DocumentNode;
  try {
    document = parse(source, { maxTokens: MAX_TOKENS });
  } catch (error) {
    if (error instanceof GraphQLError && !TOO_MANY_TOKENS.test(error.message)) throw maskError(error);
    if (error instanceof GraphQLError) throw refused(`The document has more than ${MAX_TOKENS} tokens.`);
    // Thousands of nested braces overflow the parser's stack.
    throw refused('The document is nested too deeply to be read.');
  }
  const count = { aliases: 0, fields: 0 };
  for (const definition of document.definitions) {
    if (!('selectionSet' in definition) || definition.selectionSet === undefined) continue;
    measure(definition.selectionSet, 1, count);
  }
  return document;
}

function measure(set: SelectionSetNode, depth: number, count: { aliases: number; fields: number }): void {
  if (depth > MAX_DEPTH) throw refused(`The document is nested deeper than ${MAX_DEPTH} levels.`);
  for (const selection of set.selections) {
    if (++count.fields > MAX_FIELDS) throw refused(`The document selects more than ${MAX_FIELDS} fields.`);
    if (selection.kind === Kind.FIELD && selection.alias !== undefined && ++count.aliases > MAX_ALIASES)
      throw refused(`The document has more than ${MAX_ALIASES} aliases.`);
    if (selection.kind === Kind.FRAGMENT_SPREAD || selection.selectionSet === undefined) continue;
    measure(selection.selectionSet, depth + 1, count);
  }
}

function refused(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'DOCUMENT_LIMIT' } });
}

const TOO_MANY_TOKENS = /contains more than \d+ tokens/;
const MAX_TOKENS = 2_000;
const MAX_DEPTH = 12;
const MAX_FIELDS = 500;
const MAX_ALIASES = 30;
