import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { memberIdOf, prefixOf } from '../db/id.ts';
import { type Attachment, findAttachments } from '../files/attachment.ts';
import { type ApiKey, findApiKeys } from '../keys/api-key.ts';
import { findModels, type Model } from '../models/catalogue.ts';
import { findThreads, type Thread } from '../threads/thread.ts';
import { findMember, type Member } from '../workspaces/member.ts';
import { findWorkspaces, type Workspace } from '../workspaces/workspace.ts';
import type { ModelNews } from './model-news.ts';
import type { ModelView } from './model-view-cache.ts';

/** An event for the followers of a workspace. */
export type WorkspaceEvent =
  | { type: 'workspace-snapshot'; workspace: Workspace }
  | { type: 'workspace-updated'; workspace: Workspace }
  | { type: 'api-key-added'; apiKey: ApiKey }
  | { type: 'api-key-updated'; apiKey: ApiKey }
  | { type: 'api-key-removed'; removedId: string }
  | ModelsUpdate
  | { type: 'thread-added'; thread: Thread }
  | { type: 'thread-updated'; thread: Thread }
  | { type: 'thread-removed'; removedId: string }
  | { type: 'member-added'; member: Member }
  | { type: 'member-updated'; member: Member }
  | { type: 'member-removed'; removedId: string; userId: string }
  | { type: 'attachment-updated'; attachment: Attachment };

export interface ModelsUpdate {
  type: 'models-updated';
  workspace: Workspace;
  /** Null for many changes or removed models: the client then reads the list again. */
  models: Model[] | null;
  news: ModelNews;
}

interface ReadDeps {
  db: Database;
}

/**
 * Reads the event for a changed id, in a workspace or of the workspace itself: its current state, or its removal, which is the
 * same as that the viewer may no longer see it. `isNew` if the client was not sent it before. `nothing` for a file that is gone,
 * which was its uploader's alone. Undefined if the viewer is no longer a member.
 */
export async function readWorkspaceEvent(
  deps: ReadDeps,
  viewer: Viewer,
  workspaceId: string,
  id: string,
  isNew: boolean,
): Promise<WorkspaceEvent | { type: 'nothing' } | undefined> {
  switch (prefixOf(id)) {
    case 'att': {
      const [attachment] = await findAttachments(deps, viewer, [id]);
      return attachment ? { type: 'attachment-updated', attachment } : { type: 'nothing' };
    }
    case 'thr': {
      const [thread] = await findThreads(deps, viewer, [id]);
      return thread ? { type: 'thread-updated', thread } : { type: 'thread-removed', removedId: id };
    }
    case 'key': {
      const [apiKey] = await findApiKeys(deps, viewer, [id]);
      if (apiKey === undefined) return { type: 'api-key-removed', removedId: id };
      return { type: isNew ? 'api-key-added' : 'api-key-updated', apiKey };
    }
    case 'usr': {
      const member = await findMember(deps.db, { type: 'workspace', id: workspaceId }, id);
      if (member === undefined)
        return { type: 'member-removed', removedId: memberIdOf(workspaceId, id), userId: id };
      return { type: isNew ? 'member-added' : 'member-updated', member };
    }
    default: {
      const [workspace] = await findWorkspaces(deps, viewer, [workspaceId]);
      return workspace && { type: 'workspace-updated', workspace };
    }
  }
}

/**
 * Reads what the event for changed models shows of them, as the viewer may see it; undefined if the viewer is no longer a member.
 * The models themselves are left out if there are many, or if some are no longer in the list.
 */
export async function readChangedModels(
  deps: ReadDeps,
  viewer: Viewer,
  workspaceId: string,
  { models: listed }: Pick<ModelView, 'models'>,
  ids: readonly string[],
): Promise<Pick<ModelsUpdate, 'workspace' | 'models'> | undefined> {
  const isListed = ids.length <= MAX_MODELS_SENT && ids.every((id) => listed.has(id));
  const [[workspace], models] = await Promise.all([
    findWorkspaces(deps, viewer, [workspaceId]),
    isListed ? findModels(deps, viewer, ids) : null,
  ]);
  return workspace && { workspace, models };
}

const MAX_MODELS_SENT = 100; // the largest page of most lists; beyond it the client reads the list instead
