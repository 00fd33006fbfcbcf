import { and, eq, sql } from 'drizzle-orm';
import type { Viewer } from '../accounts/session.ts';
import type { Changes } from '../changes.ts';
import type { Database } from '../db/database.ts';
import { idsOf } from '../db/id.ts';
import { idList, isOneOf } from '../db/is-one-of.ts';
import { type Page, type PageInput, readPage } from '../db/page.ts';
import { anyText, type Given, prepared } from '../db/prepared.ts';
import { threads } from '../db/tables/thread.ts';
import { workspaceMembers, workspaces } from '../db/tables/workspace.ts';
import { InvalidInputError, NotFoundError, NotPermittedError } from '../errors.ts';
import type { Role } from '../plans-and-roles.ts';
import { sanitizeLine } from '../sanitize-line.ts';
import { type Action, requireRole } from '../workspaces/permissions.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { mayDelete } from './thread-permissions.ts';

export const VISIBILITIES = ['PRIVATE', 'WORKSPACE'] as const;

export type Visibility = (typeof VISIBILITIES)[number];

/** A thread as the viewer sees it. */
export interface Thread {
  id: string;
  workspaceId: string;
  /** The team that owns the workspace; null for one that a person owns. */
  teamId: string | null;
  title: string;
  visibility: Visibility;
  revision: number;
  /** The position of its newest message; 0 while it has none. */
  lastPosition: number;
  createdBy: string | null;
  createdAt: Date;
  updatedAt: Date;
  lastMessageAt: Date;
  /** Time at which the thread last became visible to the viewer. */
  appearedAt: Date;
  viewerRole: Role;
}

export const THREAD_ORDER_FIELDS = ['LAST_MESSAGE', 'CREATED_AT'] as const;

/** The order of a list of threads. */
export interface ThreadOrder {
  field: (typeof THREAD_ORDER_FIELDS)[number];
  direction: 'ASC' | 'DESC';
}

export interface ThreadDeps {
  db: Database;
  changes: Changes;
}

/** The threads with these ids that the viewer may see. */
export async function findThreads(
  { db }: { db: Database },
  viewer: Viewer,
  ids: readonly string[],
): Promise<Thread[]> {
  return await threadsByIds(db).execute({ viewerId: viewer.id, threadIds: idList(idsOf('thr', ids)) });
}

const threadsByIds = prepared((db) => selectThreads(db).prepare('threads_by_ids'));

/** The query of `findThreads`, with the placeholders `viewerId` and `threadIds`, as a part of other statements too. */
export function selectThreads(db: Database) {
  const viewerId = anyText('viewerId');
  return visibleThreads(db, viewerId).where(
    and(isVisibleTo(viewerId), isOneOf(threads.id, anyText('threadIds'))),
  );
}

/** For each pair, whether the viewer may see the thread. */
export async function visibleOf(
  db: Database,
  pairs: readonly { viewerId: string; threadId: string }[],
): Promise<boolean[]> {
  const rows = await db
    .select({ viewerId: workspaceMembers.userId, threadId: threads.id })
    .from(threads)
    .innerJoin(workspaceMembers, eq(workspaceMembers.workspaceId, threads.workspaceId))
    .where(
      and(
        isVisibleTo(workspaceMembers.userId),
        sql`(${workspaceMembers.userId}, ${threads.id}) in (
          select "viewerId", "threadId"
          from jsonb_to_recordset(${JSON.stringify(pairs)}::text::jsonb) as pair("viewerId" text, "threadId" text))`,
      ),
    );
  const visible = new Set(rows.map(({ viewerId, threadId }) => `${viewerId} ${threadId}`));
  return pairs.map(({ viewerId, threadId }) => visible.has(`${viewerId} ${threadId}`));
}

/** The current time by the clock of `appearedAt`, the database's, in the same precision. */
export async function readThreadTime(
  { db }: { db: Database },
  workspace: Pick<Workspace, 'id'>,
): Promise<Date> {
  const [row] = await db
    .select({ now: sql`now()::timestamptz(3)`.mapWith(threads.createdAt) })
    .from(workspaces)
    .where(eq(workspaces.id, workspace.id));
  return row?.now ?? new Date(0);
}

/** The threads of a workspace that the viewer may see. Ids grow with the time of creation. */
export async function listThreads(
  { db }: { db: Database },
  viewer: Viewer,
  workspace: Pick<Workspace, 'id'>,
  page: PageInput,
  { field, direction }: ThreadOrder,
): Promise<Page<Thread>> {
  return await readPage<Thread>(page, {
    column: threads.id,
    ...(field === 'LAST_MESSAGE' && {
      leading: { column: threads.lastMessageAt, valueOf: (thread) => thread.lastMessageAt },
    }),
    order: direction === 'ASC' ? 'ascending' : 'descending',
    maxRows: 100,
    valueOf: (thread) => thread.id,
    read: (conditions, orderBy, limit) =>
      visibleThreads(db, viewer.id)
        .where(and(isVisibleTo(viewer.id), eq(threads.workspaceId, workspace.id), ...conditions))
        .orderBy(orderBy)
        .limit(limit),
  });
}

/** The thread, if the viewer can see it and has a role that allows the action. Else NotFoundError or NotPermittedError. */
export async function requireThread(
  deps: { db: Database },
  viewer: Viewer,
  threadId: string,
  action: Action,
): Promise<Thread> {
  const [thread] = await findThreads(deps, viewer, [threadId]);
  if (thread === undefined) throw new NotFoundError('thread');
  requireRole(thread.viewerRole, action);
  return thread;
}

/** Changes title or visibility; only its creator may change the visibility. */
export async function updateThread(
  deps: ThreadDeps,
  viewer: Viewer,
  input: { id: string; title?: string | null | undefined; visibility?: Visibility | null | undefined },
): Promise<Thread> {
  const title = input.title == null ? undefined : checkTitle(input.title);
  const thread = await requireThread(deps, viewer, input.id, 'chat');
  const visibility = input.visibility ?? undefined;
  const isOtherVisibility = visibility !== undefined && visibility !== thread.visibility;
  if (isOtherVisibility && thread.createdBy !== viewer.id)
    throw new NotPermittedError('OWNER', 'change who sees a thread that another person created');
  const [updated] = await deps.db
    .update(threads)
    // An undefined column keeps its value. A member who sends the visibility that they saw must not undo a concurrent change
    // by the creator.
    .set({
      title,
      visibility: thread.createdBy === viewer.id ? visibility : undefined,
      ...(isOtherVisibility &&
        (visibility === 'WORKSPACE'
          ? { sharedAt: sql`now()`, unsharedAt: null }
          : { unsharedAt: sql`now()` })),
      revision: sql`${threads.revision} + 1`,
    })
    .where(and(eq(threads.id, thread.id), isVisibleTo(viewer.id)))
    .returning(announcedColumns);
  if (updated === undefined) throw new NotFoundError('thread');
  // A thread that was shared is announced to the whole workspace, so that members who can no longer see it remove it.
  announceThread(deps.changes, thread.visibility === 'WORKSPACE' ? thread : updated, [thread.id]);
  return await requireThread(deps, viewer, thread.id, 'read');
}

/** Deletes a thread with everything in it; allowed for its creator and for managers of threads. */
export async function deleteThread(deps: ThreadDeps, viewer: Viewer, id: string): Promise<string> {
  const thread = await requireThread(deps, viewer, id, 'chat');
  if (!mayDelete(viewer, thread))
    throw new NotPermittedError('ADMIN', 'delete a thread that another person created');
  await deps.db.delete(threads).where(eq(threads.id, thread.id));
  announceThread(deps.changes, thread, [thread.id]);
  return thread.id;
}

/** Announces a change on the topics of the thread and of its workspace; for a private thread, on that of its creator only. */
export function announceThread(
  changes: Changes,
  thread: Pick<Thread, keyof typeof announcedColumns>,
  ids: readonly string[],
): void {
  const [ofThread, ofList] = threadTopics(thread);
  changes.announce(ofThread, ids);
  if (ofList !== undefined) changes.announce(ofList, [thread.id]);
}

/** The topics on which a change of the thread is announced: its own, and that of the lists that show it, if any does. */
export function threadTopics({
  id,
  workspaceId,
  visibility,
  createdBy,
}: Pick<Thread, keyof typeof announcedColumns>): [ofThread: string, ofList?: string] {
  if (visibility === 'WORKSPACE') return [id, workspaceId];
  return createdBy === null ? [id] : [id, ownThreadsTopic(workspaceId, createdBy)];
}

/** The topic of the private threads of a user in a workspace. */
export function ownThreadsTopic(workspaceId: string, userId: string): string {
  return `${workspaceId} ${userId}`;
}

/** The columns that `announceThread` needs. */
export const announcedColumns = {
  id: threads.id,
  workspaceId: threads.workspaceId,
  visibility: threads.visibility,
  createdBy: threads.createdBy,
};

/** The columns of a thread's own row. */
export const threadColumns = {
  id: threads.id,
  workspaceId: threads.workspaceId,
  title: threads.title,
  visibility: threads.visibility,
  revision: threads.revision,
  lastPosition: threads.lastPosition,
  createdBy: threads.createdBy,
  createdAt: threads.createdAt,
  updatedAt: threads.updatedAt,
  lastMessageAt: threads.lastMessageAt,
};

function visibleThreads(db: Database, viewerId: Given) {
  return db
    .select({
      ...threadColumns,
      teamId: workspaces.teamId,
      appearedAt: sql`case when ${threads.createdBy} = ${viewerId} then ${threads.createdAt}
        else coalesce(${threads.sharedAt}, ${threads.createdAt}) end`
        .mapWith(threads.createdAt)
        .as('appeared_at'),
      viewerRole: workspaceMembers.role,
    })
    .from(threads)
    .innerJoin(
      workspaceMembers,
      and(eq(workspaceMembers.workspaceId, threads.workspaceId), eq(workspaceMembers.userId, viewerId)),
    )
    .innerJoin(workspaces, eq(workspaces.id, threads.workspaceId))
    .$dynamic();
}

/** Whether a row of `threads` is visible to a member of its workspace. */
export function isVisibleTo(userId: Given | typeof workspaceMembers.userId) {
  return sql`(${threads.visibility} = 'WORKSPACE' or ${threads.createdBy} = ${userId})`;
}

/** A title fit to be stored. Throws InvalidInputError. */
export function checkTitle(text: string): string {
  const title = sanitizeLine(text);
  if (title.length >= 1 && title.length <= MAX_TITLE_LENGTH) return title;
  throw new InvalidInputError('title', `A title has between 1 and ${MAX_TITLE_LENGTH} characters.`);
}

const MAX_TITLE_LENGTH = 200;
