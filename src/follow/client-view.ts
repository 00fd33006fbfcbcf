import type { Viewer } from '../accounts/session.ts';
import type { Database } from '../db/database.ts';
import { readUploadStatuses } from '../files/attachment.ts';
import { type KeyState, readKeyStates } from '../keys/api-key.ts';
import { readModelRevision } from '../models/catalogue.ts';
import { readPreferences } from '../models/preference.ts';
import { memberRoles } from '../workspaces/member.ts';
import { mayDo } from '../workspaces/permissions.ts';
import type { Tenant } from '../workspaces/tenant.ts';
import type { Workspace } from '../workspaces/workspace.ts';
import { fingerprint, offeredBy, readModelView, tenantsOf } from './model-view.ts';
import type { CachedModelView, Fingerprints, ModelView } from './model-view-cache.ts';
import type { WorkspaceEvent } from './workspace-event.ts';

/**
 * State of a workspace for one viewer, as fingerprints to compare: one for the workspace itself, and by id one for each key
 * that the viewer may manage, each model and each member.
 */
export interface ClientView extends ModelView {
  workspace: string;
  /** Fingerprint of the preferences with which the models are shown to the viewer. */
  preferences: string;
  keys: Fingerprints;
  members: Fingerprints;
  /** Status of each file that the viewer has uploaded and not sent. */
  uploads: Fingerprints;
  /** Next time at which the state changes without an announcement, e.g. a rate limit ends; null for never. */
  changesAt: Date | null;
}

/** Reads the current state of a workspace; its models, which are many, only if they can differ from those `known`. */
export async function readClientView(
  deps: { db: Database },
  viewer: Viewer,
  workspace: Workspace,
  { known, shared }: { known: ClientView | undefined; shared: CachedModelView },
): Promise<ClientView> {
  const tenants = await tenantsOf(deps, viewer, workspace);
  const tenantIds = tenants.map(({ id }) => id);
  const [keys, revision, preferred, members, uploads] = await Promise.all([
    readKeyStates(deps, tenants),
    readModelRevision(deps, tenantIds),
    readPreferences(deps, viewer, tenantIds),
    memberRoles(deps, workspace),
    readUploadStatuses(deps, viewer, workspace),
  ]);
  const managed = new Set(tenants.filter(mayManageKeys).map(({ id }) => id));
  const offered = offeredBy(keys, revision);
  const preferences = fingerprint(preferred);
  const isKnown = known?.offered === offered && known.preferences === preferences;
  const {
    models,
    facts,
    offered: offeredThen,
  } = isKnown
    ? known
    : shownTo(viewer, preferred, await shared.read(offered, () => readModelView(deps, viewer, workspace)));
  return {
    workspace: fingerprint([workspace.name, tenants.map(({ plan, viewerRole }) => [plan, viewerRole])]),
    keys: new Map(
      keys.filter((key) => managed.has(key.tenantId)).map((key) => [key.id, fingerprint(shownOf(key))]),
    ),
    models,
    facts,
    offered: offeredThen,
    preferences,
    members,
    uploads,
    changesAt: [revision, ...keys].reduce<Date | null>(
      (first, { changesAt }) => earlier(first, changesAt),
      null,
    ),
  };
}

/** The models of a workspace as they are shown to a viewer: without others' own variants, and with the viewer's preferences. */
function shownTo(
  viewer: Viewer,
  preferred: Awaited<ReturnType<typeof readPreferences>>,
  view: ModelView,
): ModelView {
  const others = view.facts.values().filter(({ userId }) => userId !== null && userId !== viewer.id);
  const hiddenIds = new Set(others.map(({ id }) => id));
  if (hiddenIds.size === 0 && preferred.length === 0) return view;
  const models = new Map(view.models.entries().filter(([id]) => !hiddenIds.has(id)));
  for (const { modelId, ...preference } of preferred) {
    const shown = models.get(modelId);
    if (shown !== undefined) models.set(modelId, fingerprint([shown, preference]));
  }
  return { ...view, models };
}

/** The ids whose fingerprints differ or are on one side only. */
export function differing(before: Fingerprints, now: Fingerprints): string[] {
  if (before === now) return [];
  const ids = new Set([...before.keys(), ...now.keys()]);
  return [...ids].filter((id) => before.get(id) !== now.get(id));
}

/** The ids of uploads whose status the client was not sent. A new one is no news before its bytes have arrived. */
export function changedUploads(before: ClientView, now: ClientView): string[] {
  const isNews = ([id, status]: [string, string]) =>
    status !== 'WAITING' && before.uploads.get(id) !== status;
  return [...now.uploads].filter(isNews).map(([id]) => id);
}

/**
 * The view after the client was sent an event about this id. The event was read later than the view, so it may add or remove an
 * id: the next comparison must start from what the client knows.
 */
export function afterEvent(view: ClientView, id: string, event: WorkspaceEvent): ClientView {
  const { type } = event;
  switch (type) {
    case 'attachment-updated':
      return { ...view, uploads: new Map(view.uploads).set(id, event.attachment.status) };
    case 'api-key-added':
    case 'api-key-updated':
    case 'api-key-removed':
      return { ...view, keys: withPresence(view.keys, id, type !== 'api-key-removed') };
    case 'member-added':
    case 'member-updated':
    case 'member-removed':
      return { ...view, members: withPresence(view.members, id, type !== 'member-removed') };
    default:
      return view;
  }
}

function withPresence(known: Fingerprints, id: string, isPresent: boolean): Fingerprints {
  if (known.has(id) === isPresent) return known;
  const changed = new Map(known);
  if (isPresent) changed.set(id, UNREAD);
  else changed.delete(id);
  return changed;
}

/** Differs from every fingerprint. */
const UNREAD = '';

/** The visible fields of a key, without the times of its last use and fetch of models, which are no change. */
function shownOf(key: KeyState) {
  const { createdBy, createdAt, lastUsedAt, modelsRefreshedAt, rateLimitedUntil, changesAt, ...shown } = key;
  return shown;
}

function mayManageKeys({ viewerRole }: Tenant): boolean {
  return mayDo(viewerRole, 'manageKeys');
}

function earlier(left: Date | null, right: Date | null): Date | null {
  if (left === null || right === null) return left ?? right;
  return left < right ? left : right;
}
