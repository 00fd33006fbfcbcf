import { and, eq, inArray, type SQL } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { teamMembers, teams } from '../db/tables/team.ts';
import { NotFoundError } from '../errors.ts';
import type { Plan, Role } from '../plans-and-roles.ts';
import { type Action, requireRole } from './permissions.ts';
import { effectivePlan } from './plan.ts';

/** A team as one of its members sees it. */
export interface Team {
  type: 'team';
  id: string;
  name: string;
  createdAt: Date;
  viewerRole: Exclude<Role, 'VIEWER'>;
  plan: Plan;
}

/** The viewer's teams among the given ids. */
export async function findTeams(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Team[]> {
  return withType(await selectTeams(deps, viewer, inArray(teams.id, idsOf('tem', ids))));
}

/** The teams that the viewer is in, oldest first. */
export async function listTeams(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  page: PageInput,
): Promise<Page<Team>> {
  return await readPage<Team>(page, {
    column: teams.id,
    order: 'ascending',
    maxRows: 100,
    valueOf: ({ id }) => id,
    read: async (conditions, orderBy, limit) =>
      withType(
        await selectTeams(deps, viewer, and(...conditions))
          .orderBy(orderBy)
          .limit(limit),
      ),
  });
}

function selectTeams({ db }: { db: Pick<Database, 'select'> }, viewer: Viewer, condition: SQL | undefined) {
  return db
    .select({
      id: teams.id,
      name: teams.name,
      createdAt: teams.createdAt,
      viewerRole: teamMembers.role,
      plan: effectivePlan(teams.plan),
    })
    .from(teamMembers)
    .innerJoin(teams, eq(teams.id, teamMembers.teamId))
    .where(and(eq(teamMembers.userId, viewer.id), condition))
    .$dynamic();
}

function withType(rows: Omit<Team, 'type'>[]): Team[] {
  return rows.map((row) => ({ type: 'team', ...row }));
}

/** The team, if the viewer is a member whose role allows the action. Else NotFoundError or NotPermittedError. */
export async function requireTeam(
  deps: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  teamId: string,
  action: Action,
): Promise<Team> {
  const [team] = await findTeams(deps, viewer, [teamId]);
  if (team === undefined) throw new NotFoundError('team');
  requireRole(team.viewerRole, action);
  return team;
}
