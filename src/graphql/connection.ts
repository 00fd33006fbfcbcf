import type { ObjectRef } from '@pothos/core';
import type { Page } from '../db/page.ts';
import { builder } from './builder.ts';

const PageInfo = builder.objectRef<Page<unknown>>('PageInfo').implement({
  description: 'Where a page lies in its list.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether the list goes on after this page.' }),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage', {
      description: 'Whether the list has something before this page.',
    }),
    startCursor: t.string({
      nullable: true,
      description: 'Cursor of the first node, to give as `before`. Null for an empty page.',
      resolve: (page) => (page.rows.length === 0 ? null : page.cursorOf(page.rows[0])),
    }),
    endCursor: t.string({
      nullable: true,
      description: 'Cursor of the last node, to give as `after`. Null for an empty page.',
      resolve: (page) => (page.rows.length === 0 ? null : page.cursorOf(page.rows.at(-1))),
    }),
  }),
});

export const OrderDirection = builder.enumType('OrderDirection', {
  description: 'Which way a list is ordered.',
  values: {
    ASC: { description: 'The smallest or oldest first.' },
    DESC: { description: 'The largest or newest first.' },
  } as const,
});

/** The connection type of a list of nodes: `nodes` for most clients, `edges` for those that need each one's cursor. */
export function connectionOf<Row>(node: ObjectRef<(typeof builder)['$inferSchemaTypes'], Row>) {
  const Edge = builder.objectRef<{ row: Row; page: Page<Row> }>(`${node.name}Edge`).implement({
    description: `One ${node.name} of a list and its place.`,
    fields: (t) => ({
      node: t.field({ type: node, description: `The ${node.name}.`, resolve: (edge) => edge.row as never }),
      cursor: t.string({
        description: 'Its place, to give as `after` or `before`.',
        resolve: ({ row, page }) => page.cursorOf(row),
      }),
    }),
  });
  return builder.objectRef<Page<Row>>(`${node.name}Connection`).implement({
    description: `A page of a list of ${node.name}s.`,
    fields: (t) => ({
      nodes: t.field({
        type: [node],
        description: `The ${node.name}s of this page, in the list's order.`,
        resolve: (page) => page.rows as never,
      }),
      edges: t.field({
        type: [Edge],
        description: `The ${node.name}s of this page, each with its cursor.`,
        resolve: (page) => page.rows.map((row) => ({ row, page })),
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: 'Where this page lies in the list.',
        resolve: (page) => page as Page<unknown>,
      }),
    }),
  });
}

/** The arguments of a connection. Values that cannot be used are refused where the page is read. */
export function pageArguments(maxRows = 100) {
  return builder.args((t) => ({
    first: t.int({
      description: `How many from the beginning, 1 to ${maxRows}; 50 if neither this nor \`last\` is given.`,
    }),
    last: t.int({ description: `How many from the end, 1 to ${maxRows}. Not together with \`first\`.` }),
    after: t.string({ description: 'Only what follows this cursor.' }),
    before: t.string({ description: 'Only what precedes this cursor.' }),
  }));
}
