import { and, asc, eq, inArray } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { teamMembers, teams } from '../db/tables/team.ts';
import { NotFoundError } from '../errors.ts';
import { type Action, type Role, requireRole } from './permissions.ts';
import { effectivePlan, type Plan } from './plan.ts';

/** A team as one of its members sees it. */
export interface Team {
  type: 'team';
  id: string;
  name: string;
  createdAt: Date;
  viewerRole: Exclude<Role, 'VIEWER'>;
  plan: Plan;
}

/** The viewer's teams among the given ids, all of them if none are given; oldest first. */
export async function findTeams(
  { db }: { db: Pick<Database, 'select'> },
  viewer: Viewer,
  ids?: readonly string[],
): Promise<Team[]> {
  const rows = await db
    .select({
      id: teams.id,
      name: teams.name,
      createdAt: teams.createdAt,
      viewerRole: teamMembers.role,
      plan: effectivePlan(teams.plan),
    })
    .from(teamMembers)
    .innerJoin(teams, eq(teams.id, teamMembers.teamId))
    .where(and(eq(teamMembers.userId, viewer.id), ids && inArray(teams.id, idsOf('tem', ids))))
    .orderBy(asc(teams.id));
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
