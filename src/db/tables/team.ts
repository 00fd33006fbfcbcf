import { sql } from 'drizzle-orm';
import { index, pgTable, pgView, primaryKey, text } from 'drizzle-orm/pg-core';
import { PLANS, TEAM_ROLES } from '../../plans-and-roles.ts';
import { newId } from '../id.ts';
import { instant } from './column.ts';
import { users } from './user.ts';

/** A team owns shared workspaces and team keys, and pays for them with its own `plan`; null means the server's default plan. */
export const teams = pgTable(
  'teams',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('tem')),
    name: text('name').notNull(),
    /** The OWNER. The column cannot be null, so a team has exactly one. */
    ownerUserId: text('owner_user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'restrict' }),
    plan: text('plan', { enum: PLANS }),
    createdAt: instant('created_at').notNull().defaultNow(),
  },
  (table) => [index('teams_owner_user_id').on(table.ownerUserId)],
);

/** The members of a team without its OWNER. Rules read `teamMembers`, which has all of them. */
export const teamMemberships = pgTable(
  'team_memberships',
  {
    teamId: text('team_id')
      .notNull()
      .references(() => teams.id, { onDelete: 'cascade' }),
    userId: text('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    role: text('role', { enum: ['ADMIN', 'MEMBER'] }).notNull(),
    joinedAt: instant('joined_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.teamId, table.userId] }),
    index('team_memberships_user_id').on(table.userId),
  ],
);

/** All members of a team with their role, one row for each person. */
export const teamMembers = pgView('team_members', {
  teamId: text('team_id').notNull(),
  userId: text('user_id').notNull(),
  role: text('role', { enum: TEAM_ROLES }).notNull(),
  joinedAt: instant('joined_at').notNull(),
}).as(sql`
  select id as team_id, owner_user_id as user_id, 'OWNER' as role, created_at as joined_at from teams
  union all
  select membership.team_id, membership.user_id, membership.role, membership.joined_at
  from team_memberships as membership join teams as team on team.id = membership.team_id
  where membership.user_id <> team.owner_user_id`);
