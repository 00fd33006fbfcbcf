import type { Database } from '../../src/db/database.ts';
import { prefixOf, readAuditEntryId, readMemberId, viewerIdOf } from '../../src/db/id.ts';
import { apiKeys } from '../../src/db/tables/api-key.ts';
import { attachments, messageAttachments } from '../../src/db/tables/attachment.ts';
import { invitations } from '../../src/db/tables/invitation.ts';
import { models } from '../../src/db/tables/model.ts';
import { teamMemberships, teams } from '../../src/db/tables/team.ts';
import { messages, threads } from '../../src/db/tables/thread.ts';
import { memberships, workspaces } from '../../src/db/tables/workspace.ts';
import type { Role } from '../../src/plans-and-roles.ts';
import { type Action, mayDo } from '../../src/workspaces/permissions.ts';

/** An object out of an answer. */
export interface Seen {
  typeName: string;
  id: string | null;
  /** The workspace or team that it was found in; null outside of any. */
  tenantId: string | null;
}

/** What people may see, worked out from the bare tables: not with the views and queries that are being tested. */
export interface Sight {
  roleIn(userId: string, tenantId: string): Role | null;
  /** Whether this person may be shown this object. Throws for a type that it knows no rule for. */
  maySee(userId: string, seen: Seen): boolean;
  /** All the objects with ids of their own that this person may see, in no order. */
  allSeenBy(userId: string): string[];
}

/** Works out who may see what as things are now. `acquainted` names who was in a place and left a name there. */
export async function readSight(
  db: Database,
  acquainted: readonly { tenantId: string; userId: string }[],
): Promise<Sight> {
  const rows = {
    workspaces: byId(await db.select().from(workspaces)),
    teams: byId(await db.select().from(teams)),
    memberships: await db.select().from(memberships),
    teamMemberships: await db.select().from(teamMemberships),
    keys: byId(await db.select({ id: apiKeys.id, tenantId: apiKeys.tenantId }).from(apiKeys)),
    models: byId(
      await db.select({ id: models.id, tenantId: models.tenantId, userId: models.userId }).from(models),
    ),
    threads: byId(await db.select().from(threads)),
    messages: byId(
      await db
        .select({
          id: messages.id,
          threadId: messages.threadId,
          role: messages.role,
          modelId: messages.modelId,
        })
        .from(messages),
    ),
    invitations: byId(await db.select().from(invitations)),
    attachments: byId(await db.select().from(attachments)),
    messageAttachments: await db.select().from(messageAttachments),
  };

  function roleInTeam(userId: string, teamId: string): Role | null {
    if (rows.teams.get(teamId)?.ownerUserId === userId) return 'OWNER';
    const found = rows.teamMemberships.find((row) => row.teamId === teamId && row.userId === userId);
    return found?.role ?? null;
  }

  function roleIn(userId: string, tenantId: string): Role | null {
    if (prefixOf(tenantId) === 'tem') return roleInTeam(userId, tenantId);
    const workspace = rows.workspaces.get(tenantId);
    if (workspace === undefined) return null;
    if (workspace.ownerUserId === userId) return 'OWNER';
    const letIn = rows.memberships.find((row) => row.workspaceId === tenantId && row.userId === userId);
    if (workspace.teamId === null) return letIn?.role ?? null;
    const inTeam = roleInTeam(userId, workspace.teamId);
    return inTeam === 'MEMBER' ? (letIn?.role ?? null) : inTeam;
  }

  function may(userId: string, tenantId: string | null | undefined, action: Action): boolean {
    const role = tenantId == null ? null : roleIn(userId, tenantId);
    return role !== null && mayDo(role, action);
  }

  function seesThread(userId: string, threadId: string | undefined): boolean {
    const thread = rows.threads.get(threadId ?? '');
    if (thread === undefined || !may(userId, thread.workspaceId, 'read')) return false;
    return thread.visibility === 'WORKSPACE' || thread.createdBy === userId;
  }

  function seesModel(userId: string, id: string): boolean {
    const model = rows.models.get(id);
    if (model === undefined || !may(userId, model.tenantId, 'read')) return false;
    if (model.userId === null || model.userId === userId) return true;
    const answers = rows.messages.values().filter(({ modelId }) => modelId === id);
    return answers.some(({ threadId }) => seesThread(userId, threadId));
  }

  function seesMessage(userId: string, id: string | null, role: 'USER' | 'ASSISTANT'): boolean {
    const message = rows.messages.get(id ?? '');
    return message?.role === role && seesThread(userId, message.threadId);
  }

  function seesAttachment(userId: string, id: string): boolean {
    const file = rows.attachments.get(id);
    if (file === undefined || !may(userId, file.workspaceId, 'read')) return false;
    const sent = rows.messageAttachments.filter(({ attachmentId }) => attachmentId === id);
    const threadIds = sent.map(({ messageId }) => rows.messages.get(messageId)?.threadId);
    return file.createdBy === userId || threadIds.some((threadId) => seesThread(userId, threadId));
  }

  function knows(userId: string, otherId: string | null): boolean {
    if (otherId === null) return false;
    const places = [...rows.workspaces.keys(), ...rows.teams.keys()];
    const isThere = (tenantId: string) =>
      roleIn(otherId, tenantId) !== null ||
      acquainted.some((each) => each.tenantId === tenantId && each.userId === otherId);
    return (
      userId === otherId || places.some((tenantId) => may(userId, tenantId, 'read') && isThere(tenantId))
    );
  }

  const rules: Readonly<Record<string, (userId: string, seen: Seen) => boolean>> = {
    Viewer: (userId, { id }) => id === viewerIdOf(userId),
    User: (userId, { id }) => knows(userId, id),
    Workspace: (userId, { id }) => may(userId, id, 'read'),
    Team: (userId, { id }) => may(userId, id, 'read'),
    ApiKey: (userId, { id }) => may(userId, rows.keys.get(id ?? '')?.tenantId, 'manageKeys'),
    Model: (userId, { id }) => seesModel(userId, id ?? ''),
    Thread: (userId, { id }) => seesThread(userId, id ?? ''),
    UserMessage: (userId, { id }) => seesMessage(userId, id, 'USER'),
    Answer: (userId, { id }) => seesMessage(userId, id, 'ASSISTANT'),
    Attachment: (userId, { id }) => seesAttachment(userId, id ?? ''),
    Member: (userId, { id, tenantId }) => {
      const names = readMemberId(id ?? '');
      if (names === undefined || (tenantId !== null && tenantId !== names.tenantId)) return false;
      return may(userId, names.tenantId, 'read') && roleIn(names.userId, names.tenantId) !== null;
    },
    Invitation: (userId, { id }) => {
      const into = rows.invitations.get(id ?? '');
      if (into === undefined || into.expiresAt < new Date()) return false;
      return may(userId, into.workspaceId ?? into.teamId, 'manageMembers');
    },
    AuditEntry: (userId, { id }) => may(userId, readAuditEntryId(id ?? '')?.tenantId, 'readAuditLog'),
    SealingKey: (userId, { id }) => may(userId, id?.split('.')[0], 'read'),
    RemovalImpact: (userId, { tenantId }) => tenantId === null || may(userId, tenantId, 'read'),
    Provider: () => true,
    Account: () => false,
  };

  return {
    roleIn,
    maySee(userId, seen) {
      if (INHERITING.test(seen.typeName)) return true;
      const rule = rules[seen.typeName];
      if (rule === undefined) throw new Error(`no rule for ${seen.typeName}`);
      return rule(userId, seen);
    },
    allSeenBy(userId) {
      const all = { Workspace: rows.workspaces, Team: rows.teams, ApiKey: rows.keys, Model: rows.models };
      const said = { Thread: rows.threads, UserMessage: rows.messages, Answer: rows.messages };
      return Object.entries({ ...all, ...said, Invitation: rows.invitations }).flatMap(([typeName, found]) =>
        [...found.keys()].filter((id) => rules[typeName]?.(userId, { typeName, id, tenantId: null })),
      );
    },
  };
}

/**
 * Types without an id that are nothing by themselves: parts of an object, pages and events, whose objects are judged one by
 * one. What a new type is has to be said here or above.
 */
export const INHERITING =
  /^(\w+(Connection|Edge|Payload|Error)|PageInfo|InvalidField|Usage|Citation|ModelPrice|ModelPriceTier|Money|AnswerOptions|OptionSupport|FloatRange|IntRange|FactSource|ServerInfo|Upload|UploadHeader|AttachmentUse|AttachmentUpdated|RemovalImpact|(Answer(Attempt|Delta|Retrying|Finished|Failed))|Message(Added|Removed)|Thread(Snapshot|Added|Updated|Removed)|Workspace(Snapshot|Updated)|ApiKey(Added|Updated|Removed)|ModelsUpdated|ModelNotice|Member(Added|Updated|Removed))$/;

/** Types that `maySee` judges by a rule of their own. */
export const JUDGED = [
  'Viewer',
  'User',
  'Workspace',
  'Team',
  'ApiKey',
  'Model',
  'Thread',
  'UserMessage',
  'Answer',
  'Attachment',
  'Member',
  'Invitation',
  'AuditEntry',
  'SealingKey',
  'Provider',
];

/** Types that no person may see. */
export const FOR_OPERATOR = ['Account'];

/** Every object in an answer that says of what type it is, with the workspace or team around it. */
export function objectsIn(value: unknown, tenantId: string | null = null): Seen[] {
  if (Array.isArray(value)) return value.flatMap((item) => objectsIn(item, tenantId));
  if (typeof value !== 'object' || value === null) return [];
  const { __typename: typeName, id } = value as { __typename?: string; id?: string };
  const isOwner = typeName === 'Workspace' || typeName === 'Team';
  const inner = Object.values(value).flatMap((item) =>
    objectsIn(item, isOwner && id !== undefined ? id : tenantId),
  );
  return typeName === undefined ? inner : [{ typeName, id: id ?? null, tenantId }, ...inner];
}

function byId<Row extends { id: string }>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.id, row]));
}
