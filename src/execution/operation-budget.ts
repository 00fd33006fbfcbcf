import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isObjectType,
} from 'graphql';
import type { Context } from '../graphql/context.ts';
import { refused } from './document-limits.ts';

/**
 * Limits the pages that an operation, or an event of a subscription, may read and the characters it may return. The cost of a
 * document is computed before it runs, without the lengths of plain lists and texts: a hundred bytes of aliases could ask for
 * a gigabyte, or for a thousand queries.
 */
export function withOperationBudget(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap()))
    if (isObjectType(type)) for (const field of Object.values(type.getFields())) putOnBudget(type, field);
  return schema;
}

/**
 * Refuses by a promise: when a resolver throws, the executor forgets the items of the same list that it has begun, and one that
 * fails later, as all do when the database goes away, would be a rejection that nobody handles, which ends the server.
 */
function putOnBudget({ name: typeName }: GraphQLObjectType, field: GraphQLField<unknown, Context>): void {
  const resolve = field.resolve ?? defaultFieldResolver;
  if (field.args.some(({ name }) => name === 'first') || READS_LIKE_A_PAGE.has(field.name))
    field.resolve = (source, args, context, info) => {
      if (++budgetOf(context, info).pages > MAX_PAGES) return Promise.reject(refused(TOO_MANY_PAGES));
      return resolve(source, args, context, info);
    };
  else if (LONG_TEXTS[typeName]?.includes(field.name))
    field.resolve = (source, args, context, info) => {
      const text: unknown = resolve(source, args, context, info);
      const budget = budgetOf(context, info);
      const length = typeof text === 'string' ? text.length : 0;
      budget.characters += length;
      if (budget.characters > MAX_CHARACTERS) return Promise.reject(refused(TOO_MUCH_TEXT));
      context.reserve?.(length);
      return text;
    };
}

interface Budget {
  pages: number;
  characters: number;
}

/** The context lives as long as a subscription, its root value as long as one event. */
function budgetOf(context: object, { rootValue }: GraphQLResolveInfo): Budget {
  const scope = typeof rootValue === 'object' && rootValue !== null ? rootValue : context;
  const budget = budgets.get(scope) ?? { pages: 0, characters: 0 };
  budgets.set(scope, budget);
  return budget;
}

const budgets = new WeakMap<object, Budget>();

/** Fields that are no pages but query the database per item of a list, or return up to a hundred objects. */
const READS_LIKE_A_PAGE: ReadonlySet<string> = new Set(['removalImpact', 'sealingKey', 'siblings']);
/** Fields that may be megabytes long, by type. */
const LONG_TEXTS: Readonly<Record<string, readonly string[] | undefined>> = {
  UserMessage: ['text'],
  Answer: ['text', 'reasoning'],
};

const MAX_PAGES = 200; // each is a query; a page of a hundred items may ask for one more list of each
const TOO_MANY_PAGES = `The operation reads more than ${MAX_PAGES} lists. Ask for fewer items, or for fewer lists of each.`;

const MAX_CHARACTERS = 32 * 1_024 * 1_024; // four of the longest answers; a response is in memory until it is sent
const TOO_MUCH_TEXT =
  'The messages are too long to be read all at once. Ask for smaller pages (`first`, `last`).';
