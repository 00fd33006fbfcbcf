import { and, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import { idsOf, newId } from '../db/id.ts';
import { idList, isOneOf } from '../db/is-one-of.ts';
import { prepared } from '../db/prepared.ts';
import { threads } from '../db/tables/thread.ts';
import { workspaceMembers, workspaces } from '../db/tables/workspace.ts';
import { NotFoundError } from '../errors.ts';
import { rolesThatMay } from '../workspaces/permissions.ts';
import { requireWorkspace } from '../workspaces/workspace.ts';
import {
  announceThread,
  checkTitle,
  type Thread,
  type ThreadDeps,
  threadColumns,
  type Visibility,
} from './thread.ts';

/** Creates an empty thread. Throws InvalidInputError, NotFoundError or NotPermittedError. */
export async function createThread(
  deps: ThreadDeps,
  viewer: Viewer,
  input: {
    workspaceId: string;
    title?: string | null | undefined;
    visibility?: Visibility | null | undefined;
  },
): Promise<Thread> {
  const title = checkTitle(input.title ?? 'New thread');
  const visibility = input.visibility ?? 'PRIVATE';
  const [inserted] = await insertThread(deps.db).execute({
    id: newId('thr'),
    workspaceIds: idList(idsOf('wsp', [input.workspaceId])),
    viewerId: viewer.id,
    title,
    visibility,
  });
  if (inserted === undefined) {
    await requireWorkspace(deps, viewer, input.workspaceId, 'chat');
    throw new NotFoundError('workspace');
  }
  const thread = { ...inserted, appearedAt: inserted.createdAt };
  announceThread(deps.changes, thread, [thread.id]);
  return thread;
}

/** Returns the thread as its creator sees it; no row if the creator may not write in the workspace. */
const insertThread = prepared((db) => {
  const viewerId = sql.placeholder('viewerId');
  const workspace = db.$with('workspace').as(
    db
      .select({ id: workspaces.id, teamId: workspaces.teamId, viewerRole: workspaceMembers.role })
      .from(workspaces)
      .innerJoin(workspaceMembers, eq(workspaceMembers.workspaceId, workspaces.id))
      .where(
        and(
          isOneOf(workspaces.id, sql.placeholder('workspaceIds')),
          eq(workspaceMembers.userId, viewerId),
          isOneOf(workspaceMembers.role, rolesThatMay('chat')),
        ),
      ),
  );
  const visibility = sql`${sql.placeholder('visibility')}::text`;
  const names = Object.values(threadColumns).map((column) => sql.identifier(column.name));
  const made = db.$with('made', threadColumns).as(sql`
    insert into ${threads} (id, workspace_id, title, visibility, shared_at, created_by)
    select ${sql.placeholder('id')}, ${workspace.id}, ${sql.placeholder('title')}, ${visibility},
      case when ${visibility} = 'WORKSPACE' then now() end, ${viewerId}
    from ${workspace}
    returning ${sql.join(names, sql`, `)}`);
  return db
    .with(workspace, made)
    .select({ ...made._.selectedFields, teamId: workspace.teamId, viewerRole: workspace.viewerRole })
    .from(made)
    .crossJoin(workspace)
    .prepare('insert_thread');
});
