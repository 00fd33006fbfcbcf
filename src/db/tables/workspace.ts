import { sql } from 'drizzle-orm';
import { index, pgTable, text, unique, uniqueIndex } from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { instant } from './column.ts';
import { users } from './user.ts';

/** Where threads live. `ownerUserId` is the payer, whose plan counts. */
export const workspaces = pgTable(
  'workspaces',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('wsp')),
    kind: text('kind', { enum: ['PERSONAL', 'SHARED'] }).notNull(),
    name: text('name').notNull(),
    ownerUserId: text('owner_user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'restrict' }),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    // One personal workspace a user: "insert … on conflict do nothing" rests on it.
    uniqueIndex('workspaces_personal').on(table.ownerUserId).where(sql`kind = 'PERSONAL'`),
    index('workspaces_owner_user_id').on(table.ownerUserId),
  ],
);

export const memberships = pgTable(
  'memberships',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('mbr')),
    workspaceId: text('workspace_id')
      .notNull()
      .references(() => workspaces.id, { onDelete: 'cascade' }),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['OWNER', 'ADMIN', 'MEMBER', 'VIEWER'] }).notNull(),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    unique('memberships_workspace_user').on(table.workspaceId, table.userId),
    uniqueIndex('memberships_one_owner').on(table.workspaceId).where(sql`role = 'OWNER'`),
    index('memberships_user_id').on(table.userId),
  ],
);
