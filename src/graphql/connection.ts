import type { InterfaceRef, ObjectRef } from '@pothos/core';
import type { Page } from '../db/page.ts';
import { builder } from './builder.ts';

const PageInfo = builder.objectRef<Page<unknown>>('PageInfo').implement({
  description: 'Position of a page in its list.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'True if the list goes on after this page.' }),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage', {
      description: 'True if the list has items before this page.',
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
  description: 'Direction in which a list is sorted.',
  values: {
    ASC: { description: 'Ascending: the smallest or oldest first.' },
    DESC: { description: 'Descending: the largest or newest first.' },
  } as const,
});

/** The connection type of a list of nodes: `nodes` for most clients, `edges` for those that need each one's cursor. */
export function connectionOf<Row>(node: ObjectRef<Types, Row> | InterfaceRef<Types, Row>) {
  // ApiKeys, but AuditEntries.
  const plural = `${node.name}s`.replace(/([^aeiou])ys$/, '$1ies');
  const Edge = builder.objectRef<{ row: Row; page: Page<Row> }>(`${node.name}Edge`).implement({
    description: `One ${node.name} of a list, with its cursor.`,
    fields: (t) => ({
      node: t.field({
        type: node,
        description: `The ${node.name} at this place in the list.`,
        resolve: (edge) => edge.row as never,
      }),
      cursor: t.string({
        description: 'Cursor of this place, to give as `after` or `before`.',
        resolve: ({ row, page }) => page.cursorOf(row),
      }),
    }),
  });
  return builder.objectRef<Page<Row>>(`${node.name}Connection`).implement({
    description: `One page of a list of ${plural}.`,
    fields: (t) => ({
      nodes: t.field({
        type: [node],
        description: `${plural} of this page, in the order of the list.`,
        resolve: (page) => page.rows as never,
      }),
      edges: t.field({
        type: [Edge],
        description: `${plural} of this page, each with its cursor.`,
        resolve: (page) => page.rows.map((row) => ({ row, page })),
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: 'Position of this page in the list.',
        resolve: (page) => page as Page<unknown>,
      }),
    }),
  });
}

type Types = (typeof builder)['$inferSchemaTypes'];

/** The arguments of a connection. Values that cannot be used are refused where the page is read. */
export function pageArguments(maxRows = 100) {
  return builder.args((t) => ({
    first: t.int({
      description: `Number of items from the beginning, 1 to ${maxRows}; 50 if neither this nor \`last\` is given.`,
    }),
    last: t.int({
      description: `Number of items from the end, 1 to ${maxRows}. Not together with \`first\`.`,
    }),
    after: t.string({ description: 'Cursor after which the page begins.' }),
    before: t.string({ description: 'Cursor before which the page ends.' }),
  }));
}
