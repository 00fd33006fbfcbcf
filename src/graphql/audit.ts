import { AUDIT_ACTIONS } from '../audit/action.ts';
import { type AuditEntry as AuditEntryShape, describeAuditEntry } from '../audit/entry.ts';
import { prefixOf } from '../db/id.ts';
import { PROVIDER_NAMES } from '../providers/provider.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import type { Context } from './context.ts';
import { Node } from './node.ts';
import { User } from './user.ts';

const AuditAction = builder.enumType('AuditAction', {
  description: 'Action that an audit log records. May grow: show the `description` of the entry.',
  values: {
    ...AUDIT_ACTIONS,
    UNREADABLE: {
      description:
        'The entry cannot be read: it was changed outside Latchkey, or a newer version of it wrote it. The operator can find out with `audit verify`.',
    },
  },
});

export const AuditLogFilter = builder.inputType('AuditLogFilter', {
  description:
    'Entries of an audit log that are wanted: those that meet every field given. An entry that is UNREADABLE has neither actor nor time, so only `actions` finds it.',
  fields: (t) => ({
    actions: t.field({ type: [AuditAction], description: 'Actions to list; all if absent.' }),
    actorId: t.id({
      description: 'Id of the user who did it. If absent, entries of all users and of the server are listed.',
    }),
    from: t.field({ type: 'DateTime', description: 'Time from which entries are listed, included.' }),
    to: t.field({ type: 'DateTime', description: 'Time up to which entries are listed, excluded.' }),
  }),
});

const AuditEntry = builder.objectRef<AuditEntryShape>('AuditEntry').implement({
  description:
    'A record of one action on a workspace or team. Entries are never changed or removed, not even with the object they are about.',
  interfaces: [Node],
  fields: (t) => ({
    position: t.exposeInt('position', {
      description: 'Place of the entry in the log, from 1 without gaps. The larger, the later.',
    }),
    at: t.expose('at', {
      type: 'DateTime',
      nullable: true,
      description: 'Time of the action. Null if the entry is UNREADABLE.',
    }),
    action: t.expose('action', { type: AuditAction, description: 'Action that was done, for programs.' }),
    actor: t.field({
      type: User,
      nullable: true,
      description: 'User who did it. Null for the server or its operator, and if that account is gone.',
      resolve: ({ actorId }, _args, { loaders }) => (actorId === null ? null : loaders.users.load(actorId)),
    }),
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      description:
        'Id of the object of the action: a key, user, invitation, workspace or team, which may be gone. Null if there is none.',
    }),
    description: t.string({
      description: 'Sentence that says what was done, to be shown.',
      resolve: (entry, _args, context) => describe(entry, context),
    }),
  }),
});

/** A list of entries; `listAuditLog` returns its pages. */
export const AuditEntryConnection = connectionOf(AuditEntry);

async function describe(entry: AuditEntryShape, { deps, loaders }: Context): Promise<string> {
  const { subjectId } = entry;
  const isPerson = subjectId !== null && prefixOf(subjectId) === 'usr';
  const person = isPerson ? await loaders.users.load(subjectId) : null;
  return describeAuditEntry(entry, {
    person: person?.name ?? null,
    titleOfProvider(name) {
      const known = PROVIDER_NAMES.find((each) => each === name);
      return known === undefined ? name : deps.providers[known].title;
    },
  });
}
