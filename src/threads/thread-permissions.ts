import type { Viewer } from '../accounts/session.ts';
import type { Role } from '../plans-and-roles.ts';
import { mayDo } from '../workspaces/permissions.ts';

/** The columns of a thread that decide the rights of the viewer in it. */
interface Rights {
  /** Role of the viewer in the workspace of the thread. */
  viewerRole: Role;
  createdBy: string | null;
}

/** The columns of a message that decide them. */
interface Authored {
  role: 'USER' | 'ASSISTANT';
  authorId: string | null;
}

/** Whether the viewer may write in the thread and ask models there. */
export function maySend({ viewerRole }: Rights): boolean {
  return mayDo(viewerRole, 'chat');
}

/** Whether the viewer may rename the thread: everyone who may write in it. */
export function mayRename(thread: Rights): boolean {
  return maySend(thread);
}

/** Whether the viewer may delete the thread: its creator while they may write, and managers of threads. */
export function mayDelete(viewer: Viewer, thread: Rights): boolean {
  return isAuthorOrManager(viewer, thread, thread.createdBy);
}

/** Whether the viewer may replace the text of a message: its author, while they may write. Never that of an answer. */
export function mayEdit(viewer: Viewer, thread: Rights, message: Authored): boolean {
  return message.role === 'USER' && message.authorId === viewer.id && maySend(thread);
}

/** Whether the viewer may remove a message: its author (of an answer, who asked for it) while they may write, and managers of threads. */
export function mayRemove(viewer: Viewer, thread: Rights, { authorId }: Authored): boolean {
  return isAuthorOrManager(viewer, thread, authorId);
}

function isAuthorOrManager(viewer: Viewer, thread: Rights, authorId: string | null): boolean {
  return (authorId === viewer.id && maySend(thread)) || mayDo(thread.viewerRole, 'manageThreads');
}
