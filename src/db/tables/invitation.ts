import { sql } from 'drizzle-orm';
import { check, index, pgTable, text } from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { bytes, instant } from './column.ts';
import { teams } from './team.ts';
import { users } from './user.ts';
import { workspaces } from './workspace.ts';

/** An open invitation into a workspace or a team. It is gone once it is accepted or revoked. */
export const invitations = pgTable(
  'invitations',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('inv')),
    workspaceId: text('workspace_id').references(() => workspaces.id, { onDelete: 'cascade' }),
    teamId: text('team_id').references(() => teams.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['ADMIN', 'MEMBER', 'VIEWER'] }).notNull(),
    /** SHA-256 of the token. The token itself is only in the link. */
    tokenHash: bytes('token_hash').notNull().unique(),
    /** An invitation ends with the account that made it. */
    createdBy: text('created_by')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    createdAt: instant('created_at').notNull().defaultNow(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    check('invitations_one_owner', sql`num_nonnulls(workspace_id, team_id) = 1`),
    check('invitations_team_role', sql`workspace_id is not null or role <> 'VIEWER'`),
    index('invitations_workspace_id').on(table.workspaceId),
    index('invitations_team_id').on(table.teamId),
  ],
);
