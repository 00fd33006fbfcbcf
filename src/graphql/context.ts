import { GraphQLError } from 'graphql';
import type { Viewer } from '../accounts/session.ts';
import { findFellows, findUsers, type User } from '../accounts/user.ts';
import { suggestionsFor } from '../answers/find-paying-keys.ts';
import { withLiveText } from '../answers/live-text.ts';
import type { SendDeps } from '../answers/send-message.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { NotPermittedError } from '../errors.ts';
import { type Attachment, attachmentsOfMessages, findAttachments } from '../files/attachment.ts';
import type { FileDeps } from '../files/file-deps.ts';
import type { AccessBatch } from '../follow/access-watch.ts';
import type { ChangeLooks } from '../follow/change-looks.ts';
import type { ModelViewCache } from '../follow/model-view-cache.ts';
import type { SharedReads } from '../follow/shared-reads.ts';
import { type ApiKey, findApiKeys } from '../keys/api-key.ts';
import { findAvailability, type ModelAvailability } from '../keys/availability.ts';
import { findModels, type Model } from '../models/catalogue.ts';
import { findListTimes } from '../models/facts.ts';
import { findPreferences, type ModelPreference } from '../models/preference.ts';
import { findReplacementIds } from '../models/shutdown.ts';
import {
  findMessages,
  type Message,
  type MessageRole,
  newestAnswers,
  readRoles,
} from '../threads/message.ts';
import { readSiblingIds } from '../threads/siblings.ts';
import { findThreads, type Thread } from '../threads/thread.ts';
import { findReadableAuditEntries } from '../workspaces/audit-log.ts';
import { findInvitations, type Invitation, type InvitationLimits } from '../workspaces/invitation.ts';
import { findMembers, type Member } from '../workspaces/member.ts';
import { findTeams, type Team } from '../workspaces/team.ts';
import { findTenants, type Tenant } from '../workspaces/tenant.ts';
import { findWorkspaces, type Workspace } from '../workspaces/workspace.ts';
import { Loader } from './loader.ts';

/** Context of the resolvers, created for each operation, so it has one viewer only. */
export interface Context {
  deps: Deps;
  /** Null without a session. */
  viewer: Viewer | null;
  /** Whether it carries the operator's token. The operator is no viewer and has none of a person's rights. */
  isOperator: boolean;
  /** Where browsers reach this server, e.g. `https://chat.example.com`. */
  publicUrl: string;
  loaders: Loaders;
  /** Counts characters that were read for a response. Throws RATE_LIMITED when too many wait to be read already. */
  reserve?: (characters: number) => void;
}

type Deps = SendDeps &
  FileDeps & {
    invitationLimits: InvitationLimits;
    modelViewCache: ModelViewCache;
    accessBatch: AccessBatch;
    changeLooks: ChangeLooks;
    sharedReads: SharedReads;
    serverInfo: ServerInfo;
  };

/** Facts about this server that clients may read without a session. */
export interface ServerInfo {
  version: string;
  signUp: 'OPEN' | 'INVITED' | 'CLOSED';
  canResetPassword: boolean;
  maxFileBytes: number;
  maxAnswersAtOnce: number;
}

export type Loaders = ReturnType<typeof createLoaders>;

export function createContext(
  deps: Deps,
  publicUrl: string,
  viewer: Viewer | null,
  isOperator: boolean,
): Context {
  return { deps, publicUrl, viewer, isOperator, loaders: createLoaders(deps, viewer) };
}

/** The viewer of an operation that needs one. Throws UNAUTHENTICATED. */
export function requireViewer(context: Context): Viewer {
  if (context.viewer !== null) return context.viewer;
  throw new GraphQLError('Sign in first: send a session cookie or an Authorization header.', {
    extensions: { code: 'UNAUTHENTICATED' },
  });
}

/** Throws NotPermittedError without the operator's token. To be called before any read, so that the error reveals nothing. */
export function requireOperator({ isOperator }: Context, action: string): void {
  if (!isOperator) throw new NotPermittedError(null, action);
}

/** Loaders with the viewer's rules in their queries. */
function createLoaders(deps: SendDeps, viewer: Viewer | null) {
  function byId<Row extends { id: string }>(find: (viewer: Viewer, ids: string[]) => Promise<Row[]>) {
    return new Loader<Row>(async (ids) => {
      const rows = viewer === null ? [] : await find(viewer, ids);
      return new Map(rows.map((row) => [row.id, row]));
    });
  }
  return {
    /** All users: a viewer who was sent the id of a user may read the name. */
    users: byId<User>((_viewer, ids) => findUsers(deps, ids)),
    /** Users whom the viewer may read by an id of any origin. */
    fellows: byId<User>((person, ids) => findFellows(deps, person, ids)),
    workspaces: byId<Workspace>((person, ids) => findWorkspaces(deps, person, ids)),
    teams: byId<Team>((person, ids) => findTeams(deps, person, ids)),
    /** Workspaces and teams. */
    tenants: byId<Tenant>((person, ids) => findTenants(deps, person, ids)),
    members: byId<Member>((person, ids) => findMembers(deps, person, ids)),
    invitations: byId<Invitation>((person, ids) => findInvitations(deps, person, ids)),
    auditEntries: byId<AuditEntry>((person, ids) => findReadableAuditEntries(deps, person, ids)),
    apiKeys: byId<ApiKey>((person, ids) => findApiKeys(deps, person, ids)),
    models: byId<Model>((person, ids) => findModels(deps, person, ids)),
    threads: byId<Thread>((person, ids) => findThreads(deps, person, ids)),
    messages: byId<Message>(async (person, ids) => withLiveText(deps, await findMessages(deps, person, ids))),
    attachments: byId<Attachment>((person, ids) => findAttachments(deps, person, ids)),
    /** Attachments by the id of a message that the viewer may see. */
    attachmentsOf: new Loader<Attachment[]>((messageIds) => attachmentsOfMessages(deps, messageIds)),
    /** Roles of messages in threads that the viewer may see. */
    messageRoles: new Loader<MessageRole>((ids) => readRoles(deps, ids)),
    /** By what they reply to: see `siblingKey`. */
    siblingIds: new Loader<string[]>((keys) => readSiblingIds(deps, keys)),
    /** How models are shown to the viewer, by model id. */
    modelPreferences: new Loader<ModelPreference>(async (ids) =>
      viewer === null ? new Map() : await findPreferences(deps, viewer, ids),
    ),
    /** Ids of the models that replace others, by model id. */
    replacementIds: new Loader<string>((modelIds) => findReplacementIds(deps, modelIds)),
    /** When a provider last listed a model, by model id. */
    listTimes: new Loader<Date>((modelIds) => findListTimes(deps, modelIds)),
    /** By model id. */
    offers: new Loader<ModelAvailability>((modelIds) => findAvailability(deps, modelIds)),
    /** Ids of models to ask in place of one that is not there, by the id of its answer. */
    suggestions: new Loader<string[]>(async (ids) =>
      viewer === null ? new Map() : await suggestionsFor(deps, viewer, ids),
    ),
    /** By thread id. */
    newestAnswers: new Loader<Message>((threadIds) => newestAnswers(deps, threadIds)),
  };
}
