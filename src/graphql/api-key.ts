import type { ApiKey as ApiKeyShape, KEY_SCOPES } from '../keys/api-key.ts';
import { type RemovalImpact as RemovalImpactShape, removalImpact } from '../keys/remove.ts';
import { type KEY_STATUSES, statusMessage } from '../keys/status.ts';
import { builder } from './builder.ts';
import { connectionOf } from './connection.ts';
import { Model } from './model.ts';
import type { PayloadFields } from './mutation.ts';
import { Node } from './node.ts';
import { ProviderName } from './provider.ts';
import { User } from './user.ts';

export const ApiKey = builder.objectRef<ApiKeyShape>('ApiKey');

export const KeyScope = builder.enumType('KeyScope', {
  description: 'Whose key it is.',
  values: {
    PERSONAL: { description: 'One person’s, used in their personal workspace only.' },
    WORKSPACE: { description: 'A shared workspace’s.' },
    TEAM: { description: 'A team’s, used in all of its workspaces.' },
  } satisfies Record<(typeof KEY_SCOPES)[number], { description: string }>,
});

const KeyStatus = builder.enumType('KeyStatus', {
  description:
    'How a key stands; the first that applies, in this order. It may gain values: keep a default branch.',
  values: {
    NEEDS_REENTRY: { description: 'Its secret is lost and has to be entered again.' },
    SUSPENDED: { description: 'The plan does not include keys at present. Nothing is lost.' },
    DISABLED: { description: 'Somebody switched it off.' },
    EXPIRED: { description: 'It has run out, by its own date or by the provider’s word.' },
    INVALID: { description: 'The provider refused it.' },
    EXHAUSTED: { description: 'The account behind it has no credit or quota left. It is still tried.' },
    RATE_LIMITED: { description: 'The provider limits it for the moment. It is still tried.' },
    UNVERIFIED: { description: 'The provider could not be asked yet.' },
    ACTIVE: { description: 'It works.' },
  } satisfies Record<(typeof KEY_STATUSES)[number], { description: string }>,
});

const RemovalImpact = builder.objectRef<RemovalImpactShape>('RemovalImpact').implement({
  description: 'What removing a key would do. Threads stay and can be read in any case.',
  fields: (t) => ({
    models: t.expose('models', {
      type: [Model],
      description: 'Its models that could no longer be asked: no other usable key offers them.',
    }),
    threadCount: t.exposeInt('threadCount', {
      description:
        'How many threads were last answered by a model that could no longer be asked there; those that the viewer may not see are counted too.',
    }),
    runningAnswerCount: t.exposeInt('runningAnswerCount', {
      description: 'How many answers it is paying for now. They would end with KEY_REMOVED.',
    }),
  }),
});

ApiKey.implement({
  description:
    'A provider key. Only those who may manage keys see it, and nobody ever sees its secret again: no type has a field for it.',
  interfaces: [Node],
  fields: (t) => ({
    provider: t.expose('provider', { type: ProviderName, description: 'Whose key it is at the other end.' }),
    label: t.exposeString('label', { description: 'The name its managers gave it.' }),
    hint: t.exposeString('hint', {
      nullable: true,
      description:
        'The last four characters of the secret, to recognise it by. Null for secrets shorter than 20.',
    }),
    scope: t.expose('scope', { type: KeyScope, description: 'Who uses it.' }),
    status: t.expose('status', { type: KeyStatus, description: 'How it stands.' }),
    statusMessage: t.string({
      nullable: true,
      description: 'Why it stands so and what to do. Null when there is nothing to do.',
      resolve: (apiKey, _args, { deps }) => statusMessage(apiKey, deps.providers[apiKey.provider].title),
    }),
    position: t.exposeInt('position', {
      description:
        'Which of the owner’s keys of this provider is asked first, from 1; one that works goes before one that may not.',
    }),
    isEnabled: t.exposeBoolean('isEnabled', { description: 'Whether it is switched on.' }),
    baseUrl: t.string({
      nullable: true,
      description: 'Where a CUSTOM key is sent, and nowhere else. Null for the other providers.',
      resolve: ({ provider, baseUrl }) => (provider === 'CUSTOM' ? baseUrl : null),
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'Who added it. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was added.' }),
    lastUsedAt: t.expose('lastUsedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When an answer last told something about it. Null if the key has not been used yet.',
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'From when on its managers want it unused. Null for never.',
    }),
    modelsRefreshedAt: t.expose('modelsRefreshedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When its list of models was last fetched. Null if that has not worked yet.',
    }),
    removalImpact: t.field({
      type: RemovalImpact,
      description: 'What removing it would do, as things are now.',
      resolve: (apiKey, _args, { deps }) => removalImpact(deps, apiKey),
    }),
  }),
});

export const ApiKeyConnection = connectionOf(ApiKey);

/** The payload of a mutation that changes a key. */
export const currentApiKey = (t: PayloadFields<{ apiKey: ApiKeyShape }>) => ({
  apiKey: t.expose('apiKey', { type: ApiKey, description: 'The key as it stands now.' }),
});
