import type { ApiKey as ApiKeyShape, KEY_SCOPES } from '../keys/api-key.ts';
import { type RemovalImpact as RemovalImpactShape, removalImpact } from '../keys/remove.ts';
import { KEY_STATUSES, statusMessage } from '../keys/status.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { Model } from './model.ts';
import type { PayloadFields } from './mutation.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { loadTenant, Tenant } from './tenant.ts';
import { User } from './user.ts';

export const ApiKey = builder.objectRef<ApiKeyShape>('ApiKey');

export const KeyScope = builder.enumType('KeyScope', {
  description: 'Scope of a key: what owns it, and so where it is used.',
  values: {
    PERSONAL: { description: 'Key of one person, used in their personal workspace only.' },
    WORKSPACE: { description: 'Key of a shared workspace, used there only.' },
    TEAM: { description: 'Key of a team, used in all of its workspaces.' },
  } satisfies Record<(typeof KEY_SCOPES)[number], { description: string }>,
});

const KeyStatus = builder.enumType('KeyStatus', {
  description: `Status of a key: the first that applies in the order ${KEY_STATUSES.join(', then ')}. May grow: treat an unknown status as a key that may not work, and show \`statusMessage\`.`,
  values: {
    NEEDS_REENTRY: { description: 'The secret is lost and has to be entered again.' },
    SUSPENDED: { description: 'The plan does not include keys at present. Nothing is lost.' },
    DISABLED: { description: 'The key was switched off by a person.' },
    EXPIRED: { description: 'The key has expired, by the date set here or according to the provider.' },
    INVALID: { description: 'The provider refused the key.' },
    EXHAUSTED: {
      description: 'The account behind the key has no credit or quota left. The key is still tried.',
    },
    RATE_LIMITED: { description: 'The provider limits the key for the moment. The key is still tried.' },
    UNVERIFIED: { description: 'The provider could not be asked yet. The key is tried.' },
    ACTIVE: { description: 'The key works at its provider.' },
  } satisfies Record<(typeof KEY_STATUSES)[number], { description: string }>,
});

const RemovalImpact = builder.objectRef<RemovalImpactShape>('RemovalImpact').implement({
  description: 'Effects that removing a key would have. Threads stay and can be read in any case.',
  fields: (t) => ({
    models: t.expose('models', {
      type: [Model],
      description: 'Models that could no longer be asked, since no other usable key offers them.',
    }),
    threadCount: t.exposeInt('threadCount', {
      description:
        'Number of threads that were last answered by a model that could no longer be asked there, those that the viewer may not see included.',
    }),
    runningAnswerCount: t.exposeInt('runningAnswerCount', {
      description:
        'Number of answers that the key is paying for now. They would end with KEY_REMOVED, except those without text that another key can write.',
    }),
  }),
});

ApiKey.implement({
  description:
    'A provider key. Only members who may manage keys see it, and nobody sees its secret again: no type has a field for it.',
  interfaces: [Node],
  fields: (t) => ({
    provider: t.expose('provider', { type: ProviderName, description: 'Provider that issued the key.' }),
    tenant: t.field({
      type: Tenant,
      description: 'Workspace or team that owns the key.',
      resolve: (apiKey, _args, { loaders }) => loadTenant(apiKey, loaders),
    }),
    label: t.exposeString('label', { description: 'Name of the key, given by a person who manages it.' }),
    hint: t.exposeString('hint', {
      nullable: true,
      description:
        'Last four characters of the secret, to recognise it by. Null for secrets of fewer than 20 characters.',
    }),
    scope: t.expose('scope', {
      type: KeyScope,
      description: 'Scope of the key: personal, workspace or team.',
    }),
    status: t.expose('status', { type: KeyStatus, description: 'Status of the key at present.' }),
    statusMessage: t.string({
      nullable: true,
      description: 'Reason for the status and what to do, in English. Null if there is nothing to do.',
      resolve: (apiKey, _args, { deps }) => statusMessage(apiKey, deps.providers[apiKey.provider].title),
    }),
    position: t.exposeInt('position', {
      description:
        'Place of the key in the order in which the keys of this provider in its workspace or team are asked, from 1. A key that works goes before one that may not.',
    }),
    isEnabled: t.exposeBoolean('isEnabled', { description: 'True if the key is switched on.' }),
    baseUrl: t.string({
      nullable: true,
      description: 'Base URL to which a CUSTOM key is sent, and nowhere else. Null for the other providers.',
      resolve: ({ provider, baseUrl }) => (provider === 'CUSTOM' ? baseUrl : null),
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'User who added the key. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Time at which the key was added.' }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Time of the last answer that showed whether the key works. Null if the key has not been used yet.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'Time from which the key is no longer used, as set by a person who manages it. Null if it does not expire.',
    }),
    modelsRefreshedAt: t.expose('modelsRefreshedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Time at which the list of models was last fetched. Null if that has not succeeded yet.',
    }),
    removalImpact: t.field({
      type: RemovalImpact,
      description: 'Effects that removing the key would have now.',
      resolve: (apiKey, _args, { deps }) => removalImpact(deps, apiKey),
    }),
  }),
});

export const ApiKeyConnection = connectionOf(ApiKey);

/** The payload of a mutation that changes a key. */
export const currentApiKey = (t: PayloadFields<{ apiKey: ApiKeyShape }>) => ({
  apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key as it is now.' }),
});
