import { sql } from 'drizzle-orm';
import { check, index, pgTable, pgView, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core';
import { ROLES } from '../../plans-and-roles.ts';
import { newId } from '../id.ts';
import { instant } from './column.ts';
import { teams } from './team.ts';
import { users } from './user.ts';

/** Where threads live. It has exactly one payer, whose plan counts: the user or the team that owns it. */
export const workspaces = pgTable(
  'workspaces',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('wsp')),
    kind: text('kind', { enum: ['PERSONAL', 'SHARED'] }).notNull(),
    name: text('name').notNull(),
    ownerUserId: text('owner_user_id').references(() => users.id, { onDelete: 'restrict' }),
    teamId: text('team_id').references(() => teams.id, { onDelete: 'restrict' }),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [
    check('workspaces_one_payer', sql`num_nonnulls(owner_user_id, team_id) = 1`),
    check('workspaces_personal_payer', sql`kind = 'SHARED' or owner_user_id is not null`),
    // One personal workspace for each user: "insert … on conflict do nothing" relies on it.
    uniqueIndex('workspaces_personal').on(table.ownerUserId).where(sql`kind = 'PERSONAL'`),
    index('workspaces_owner_user_id').on(table.ownerUserId),
    index('workspaces_team_id').on(table.teamId),
  ],
);

/** The members that were added to a workspace, without its OWNER. Rules read `workspaceMembers`, which has all members. */
export const memberships = pgTable(
  'memberships',
  {
    workspaceId: text('workspace_id')
      .notNull()
      .references(() => workspaces.id, { onDelete: 'cascade' }),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['ADMIN', 'MEMBER', 'VIEWER'] }).notNull(),
    joinedAt: instant('joined_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.userId] }),
    index('memberships_user_id').on(table.userId),
  ],
);

/**
 * All members of a workspace with their role, one row for each person: the user who owns it; the OWNER and the ADMINs of the
 * team that owns it, with the same role in all of its workspaces; and the added members, in a team's workspace only as long as
 * they are in the team. All authorisation relies on this view and on `teamMembers`.
 */
export const workspaceMembers = pgView('workspace_members', {
  workspaceId: text('workspace_id').notNull(),
  userId: text('user_id').notNull(),
  role: text('role', { enum: ROLES }).notNull(),
  joinedAt: instant('joined_at').notNull(),
}).as(sql`
  select id as workspace_id, owner_user_id as user_id, 'OWNER' as role, created_at as joined_at
  from workspaces where owner_user_id is not null
  union all
  select workspace.id, member.user_id, member.role, greatest(member.joined_at, workspace.created_at)
  from workspaces as workspace join team_members as member on member.team_id = workspace.team_id
  where member.role in ('OWNER', 'ADMIN')
  union all
  select membership.workspace_id, membership.user_id, membership.role, membership.joined_at
  from memberships as membership join workspaces as workspace on workspace.id = membership.workspace_id
  where membership.user_id is distinct from workspace.owner_user_id
    and (workspace.team_id is null or exists (
      select from team_members as member
      where member.team_id = workspace.team_id and member.user_id = membership.user_id and member.role = 'MEMBER'))`);
