import type { SealError } from '../vault/seal.ts';

/**
 * All recorded actions: their meaning, their details and the sentence for a reader, in which `{person}` is the name of the
 * affected user. Entries are never rewritten, so an action or detail may be added, but its meaning never changes.
 */
export const AUDIT_ACTIONS = {
  KEY_ADDED: {
    description: 'A provider key was added.',
    details: ['provider', 'label'],
    sentence: 'Added the {provider} key “{label}”.',
  },
  KEY_CHECKED: {
    description: 'A provider was asked again whether it accepts a key.',
    details: ['provider', 'label', 'health'],
    sentence: 'Checked the {provider} key “{label}”: {health}.',
  },
  KEY_CHANGED: {
    description: 'A key was changed, but not its secret.',
    details: ['provider', 'label', 'change'],
    sentence: 'Changed the {change} of the {provider} key “{label}”.',
  },
  KEY_REPLACED: {
    description: 'A key got another secret.',
    details: ['provider', 'label'],
    sentence: 'Replaced the secret of the {provider} key “{label}”.',
  },
  KEY_ENABLED: {
    description: 'A key was switched on.',
    details: ['provider', 'label'],
    sentence: 'Switched on the {provider} key “{label}”.',
  },
  KEY_DISABLED: {
    description: 'A key was switched off.',
    details: ['provider', 'label'],
    sentence: 'Switched off the {provider} key “{label}”.',
  },
  KEY_REMOVED: {
    description: 'A key was removed for good.',
    details: ['provider', 'label'],
    sentence: 'Removed the {provider} key “{label}”.',
  },
  KEY_NOT_OPENED: {
    description: 'A stored key could not be opened on the server.',
    details: ['provider', 'label', 'failure'],
    sentence: 'Could not open the {provider} key “{label}”: {failure}.',
  },
  MODELS_CHANGED: {
    description:
      'The list of models that a provider gives for a key gained or lost models, or the shutdown of one was announced, moved or withdrawn, or is less than 30 days away.',
    details: ['provider', 'label', 'added', 'removed', 'shutdowns'],
    sentence:
      'The models of the {provider} key “{label}” changed. New: {added}. Gone: {removed}. To be shut down: {shutdowns}.',
  },
  MODEL_ADDED: {
    description: 'A model was added to a key by its name.',
    details: ['provider', 'label', 'name'],
    sentence: 'Added the model “{name}” to the {provider} key “{label}”.',
  },
  MODEL_VARIANT_CREATED: {
    description: 'A variant of a model was created.',
    details: ['name', 'audience'],
    sentence: 'Created the model “{name}” for {audience}.',
  },
  MODEL_VARIANT_UPDATED: {
    description: 'A variant of a model was changed.',
    details: ['name', 'audience'],
    sentence: 'Changed the model “{name}” for {audience}.',
  },
  MODEL_VARIANT_REMOVED: {
    description: 'A variant of a model was removed.',
    details: ['name', 'audience'],
    sentence: 'Removed the model “{name}” for {audience}.',
  },
  MEMBER_ADDED: {
    description: 'A person became a member.',
    details: ['role'],
    sentence: 'Added {person} as {role}.',
  },
  MEMBER_CHANGED: {
    description: 'A member got another role.',
    details: ['previousRole', 'role'],
    sentence: 'Changed {person} from {previousRole} to {role}.',
  },
  MEMBER_DISABLED: {
    description: 'The operator of the server disabled the account of a member.',
    details: [],
    sentence: 'Disabled the account of {person}.',
  },
  MEMBER_ENABLED: {
    description: 'The operator of the server enabled the account of a member again.',
    details: [],
    sentence: 'Enabled the account of {person} again.',
  },
  MEMBER_REMOVED: {
    description: 'A member was removed.',
    details: ['role'],
    sentence: 'Removed {person} ({role}).',
  },
  MEMBER_LEFT: {
    description: 'A member left by themselves.',
    details: ['role'],
    sentence: 'Left ({role}).',
  },
  INVITATION_CREATED: {
    description: 'An invitation was created.',
    details: ['role'],
    sentence: 'Invited a person as {role}.',
  },
  INVITATION_REVOKED: {
    description: 'An invitation was revoked before it was accepted.',
    details: ['role'],
    sentence: 'Revoked an invitation as {role}.',
  },
  OWNER_CHANGED: {
    description: 'The workspace or team was transferred to another owner.',
    details: [],
    sentence: 'Made {person} the owner.',
  },
  WORKSPACE_CREATED: {
    description: 'A workspace was created.',
    details: ['name'],
    sentence: 'Created the workspace “{name}”.',
  },
  WORKSPACE_CHANGED: {
    description: 'A workspace was renamed.',
    details: ['previousName', 'name'],
    sentence: 'Renamed the workspace “{previousName}” to “{name}”.',
  },
  WORKSPACE_DELETED: {
    description: 'A workspace was deleted with everything in it.',
    details: ['name'],
    sentence: 'Deleted the workspace “{name}”.',
  },
  TEAM_CREATED: {
    description: 'A team was created.',
    details: ['name'],
    sentence: 'Created the team “{name}”.',
  },
  TEAM_CHANGED: {
    description: 'A team was renamed.',
    details: ['previousName', 'name'],
    sentence: 'Renamed the team “{previousName}” to “{name}”.',
  },
  TEAM_DELETED: {
    description: 'A team was deleted.',
    details: ['name'],
    sentence: 'Deleted the team “{name}”.',
  },
  PLAN_CHANGED: {
    description: 'The plan was changed.',
    details: ['previousPlan', 'plan'],
    sentence: 'Changed the plan from {previousPlan} to {plan}.',
  },
} as const satisfies Record<string, AuditActionFacts>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

export interface AuditActionFacts {
  description: string;
  details: readonly AuditDetailName[];
  sentence: string;
}

/** Something to be recorded. */
export type AuditEvent = {
  [Action in AuditAction]: { action: Action; details: AuditDetails<Action> };
}[AuditAction] & {
  /** Id of the user who did it; null for the server or its operator. */
  actorId: string | null;
  /** Id of what it was done to: a key, model, user, invitation, workspace or team. */
  subjectId: string | null;
};

type AuditDetails<Action extends AuditAction> = {
  [Name in (typeof AUDIT_ACTIONS)[Action]['details'][number]]: (typeof AUDIT_DETAILS)[Name] extends 'text'
    ? string
    : keyof (typeof AUDIT_DETAILS)[Name];
};

const ROLE_WORDS = { OWNER: 'owner', ADMIN: 'admin', MEMBER: 'member', VIEWER: 'viewer' } as const;

/** Names of the plans in sentences. */
export const PLAN_WORDS = { FREE: 'Free', PREMIUM: 'Premium', BUSINESS: 'Business' } as const;

/**
 * All details that an entry can have beside actor, action, subject and time: names (`text`), which a person gave or under which
 * a provider lists models, or one of a few words with its form in a sentence. There is no place for a secret, an address or any
 * other text of a provider.
 */
export const AUDIT_DETAILS = {
  provider: 'text',
  label: 'text',
  name: 'text',
  previousName: 'text',
  /** Names of models, empty for none. */
  added: 'text',
  removed: 'text',
  /** The same, each with the day. */
  shutdowns: 'text',
  role: ROLE_WORDS,
  previousRole: ROLE_WORDS,
  plan: PLAN_WORDS,
  previousPlan: PLAN_WORDS,
  change: { LABEL: 'label', EXPIRY: 'expiry', POSITION: 'place in the order' },
  audience: { EVERYBODY: 'everybody', MAKER: 'the maker alone' },
  health: {
    ACTIVE: 'accepted',
    UNVERIFIED: 'the provider could not be asked',
    INVALID: 'refused',
    EXPIRED: 'expired',
    EXHAUSTED: 'accepted, but without credit',
  },
  failure: {
    'unknown-root': 'this server does not have its root key',
    tampered: 'it was changed outside Latchkey',
    malformed: 'it was changed outside Latchkey',
    stale: 'it was changed outside Latchkey',
    misdirected: 'it was changed outside Latchkey',
  } satisfies Record<SealError['type'], string>,
} as const satisfies Record<string, 'text' | Readonly<Record<string, string>>>;

export type AuditDetailName = keyof typeof AUDIT_DETAILS;
