import { eq } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { recordAudit, type Transaction } from '../audit/record-audit.ts';
import { counted } from '../counted.ts';
import { teams } from '../db/tables/team.ts';
import { users } from '../db/tables/user.ts';
import { workspaces } from '../db/tables/workspace.ts';
import { ConflictError } from '../errors.ts';
import type { Plan } from '../plans-and-roles.ts';
import { announceMembers, memberIdsOf, type PeopleDeps } from './member.ts';
import { effectivePlan, requirePlanForTeams } from './plan.ts';
import { requireRoomForTeam } from './quotas.ts';
import { requireTeam, type Team } from './team.ts';
import { checkName, lockAndAuthorizeTeam } from './tenant.ts';

/** Creates a team, which starts with the plan of the viewer's account and then has its own. */
export async function createTeam(deps: PeopleDeps, viewer: Viewer, input: { name: string }): Promise<Team> {
  const name = checkName(input.name);
  const team = await deps.db.transaction(async (tx) => {
    await requireRoomForTeam(tx, viewer.id, 'You own');
    const plan = await planForNewTeam(tx, viewer.id);
    const [made] = await tx
      .insert(teams)
      .values({ name, ownerUserId: viewer.id, plan })
      .returning({ id: teams.id });
    if (made === undefined) throw new Error('an inserted team was not returned');
    await recordAudit(tx, deps, made.id, {
      action: 'TEAM_CREATED',
      actorId: viewer.id,
      subjectId: made.id,
      details: { name },
    });
    return await requireTeam({ db: tx }, viewer, made.id, 'read');
  });
  announceMembers(deps, [team.id], [viewer.id]);
  return team;
}

/** The plan that is set for a person; null for the server's default. Throws PlanRequiredError if it does not include teams. */
async function planForNewTeam(tx: Transaction, userId: string): Promise<Plan | null> {
  const [user] = await tx
    .select({ plan: users.plan, effective: effectivePlan(users.plan) })
    .from(users)
    .where(eq(users.id, userId));
  if (user === undefined) throw new Error('the account of a viewer is missing');
  requirePlanForTeams(user.effective);
  return user.plan;
}

/** Renames a team. */
export async function updateTeam(
  deps: PeopleDeps,
  viewer: Viewer,
  input: { id: string; name?: string | null | undefined },
): Promise<Team> {
  const name = input.name == null ? undefined : checkName(input.name);
  const team = await deps.db.transaction(async (tx) => {
    const before = await lockAndAuthorizeTeam(tx, viewer, input.id, 'rename');
    if (name === undefined || name === before.name) return before;
    await tx.update(teams).set({ name }).where(eq(teams.id, before.id));
    await recordAudit(tx, deps, before.id, {
      action: 'TEAM_CHANGED',
      actorId: viewer.id,
      subjectId: before.id,
      details: { previousName: before.name, name },
    });
    return { ...before, name };
  });
  deps.changes.announce(team.id, [team.id]);
  return team;
}

/** Deletes a team with its keys and returns its id. Throws ConflictError while it still has workspaces. */
export async function deleteTeam(deps: PeopleDeps, viewer: Viewer, id: string): Promise<string> {
  const { team, userIds } = await deps.db.transaction(async (tx) => {
    const team = await lockAndAuthorizeTeam(tx, viewer, id, 'delete');
    const left = await tx.$count(workspaces, eq(workspaces.teamId, team.id));
    if (left > 0)
      throw new ConflictError(
        `The team still has ${counted(left, 'workspace')}. Delete what is in it first.`,
      );
    const userIds = await memberIdsOf(tx, team);
    await tx.delete(teams).where(eq(teams.id, team.id));
    await recordAudit(tx, deps, team.id, {
      action: 'TEAM_DELETED',
      actorId: viewer.id,
      subjectId: team.id,
      details: { name: team.name },
    });
    return { team, userIds };
  });
  announceMembers(deps, [team.id], userIds);
  deps.changes.announce(team.id, [team.id]);
  return team.id;
}
