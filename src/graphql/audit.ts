import { AUDIT_ACTIONS } from '../audit/action.ts';
import { type AuditEntry as AuditEntryShape, describeAuditEntry } from '../audit/entry.ts';
import { prefixOf } from '../db/id.ts';
import { PROVIDER_NAMES } from '../providers/provider.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import type { Context } from './context.ts';
import { User } from './user.ts';

const AuditAction = builder.enumType('AuditAction', {
  description: 'What was done. It may gain values: keep a default branch.',
  values: {
    ...AUDIT_ACTIONS,
    UNREADABLE: {
      description:
        'The entry cannot be read: it was changed outside Latchkey, or a newer version of it wrote it. The operator can find out with `audit verify`.',
    },
  },
});

const AuditEntry = builder.objectRef<AuditEntryShape>('AuditEntry').implement({
  description:
    'One thing that was done to a workspace or team. Entries are never changed or removed, not even with what they tell of.',
  fields: (t) => ({
    position: t.exposeInt('position', {
      description: 'Its place in the log, from 1, without gaps. The larger, the later.',
    }),
    at: t.expose('at', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was done. Null if the entry is UNREADABLE.',
    }),
    action: t.expose('action', { type: AuditAction, description: 'What was done, for programs.' }),
    actor: t.field({
      type: User,
      nullable: true,
      description: 'Who did it. Null for the server or its operator, and if that account is gone.',
      resolve: ({ actorId }, _args, { loaders }) => (actorId === null ? null : loaders.users.load(actorId)),
    }),
    subjectId: t.exposeID('subjectId', {
      nullable: true,
      description:
        'Id of what it was done to: a key, user, invitation, workspace or team, which may be gone. Null if there is no such thing.',
    }),
    description: t.string({
      description: 'What was done, as a sentence to show.',
      resolve: (entry, _args, context) => describe(entry, context),
    }),
  }),
});

/** A list of entries; `listAuditEntries` gives its pages. */
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
