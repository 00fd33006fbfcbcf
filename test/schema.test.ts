import { readdirSync, readFileSync } from 'node:fs';
import {
  buildSchema,
  findBreakingChanges,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNullableType,
  isObjectType,
  isUnionType,
  Kind,
  parse,
  print,
  validate,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { staleFiles } from '../src/graphql/print.ts';
import { KEY_STATUSES } from '../src/keys/status.ts';
import { PLANS, ROLES } from '../src/plans-and-roles.ts';
import { documentOf, post } from './kit/person.ts';
import { say } from './kit/say.ts';
import { startTestServer } from './kit/server.ts';

const schema = buildSchema(readFileSync('schema/schema.graphql', 'utf8'));
const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
const scalars = ['ID', 'String', 'Int', 'Float', 'Boolean'];
const outputFields = types.flatMap((type) =>
  isObjectType(type) || isInterfaceType(type)
    ? Object.values(type.getFields()).map((field) => ({ type, field, name: `${type.name}.${field.name}` }))
    : [],
);

test('the printed schema and its possible types are those of the code', () => {
  expect(staleFiles()).toEqual([]);
});

describe('a description', () => {
  const described = types
    .filter(({ name }) => !scalars.includes(name))
    .flatMap((type) => [{ name: type.name, description: type.description }, ...partsOf(type)]);
  const failing = (isGood: (text: string) => boolean, among: readonly Described[] = described) =>
    among.filter(({ description }) => !isGood(description ?? '')).map(printed);

  test('a description in the schema names its subject in its first words, in a sentence of more than three', () => {
    const beginsWithPronoun = failing((text) => !PRONOUN.test(text));
    const short = failing((text) => wordsIn(text) > 3);
    expect(beginsWithPronoun).toEqual([]);
    expect(short).toEqual([]);
    expect(failing((text) => /^\w.*[.]$/s.test(text))).toEqual([]);
    const lengths = described.map(({ description }) => wordsIn(description ?? ''));
    say(
      `${described.length} descriptions: ${beginsWithPronoun.length} begin with a pronoun, ` +
        `${short.length} have three words or fewer, the shortest has ${Math.min(...lengths)}`,
    );
  });

  test('a description in the schema is in plain words, with right plurals', () => {
    expect(failing((text) => !RIDDLE.test(text))).toEqual([]);
    expect(failing((text) => !/[^aeiou]ys\b/.test(text))).toEqual([]);
  });

  test('a description in the schema of a field that may be null says what null means', () => {
    const nullable = outputFields.filter(({ field }) => isNullableType(field.type));
    const fields = nullable.map(({ type, field }) => named(type.name, field));
    expect(failing((text) => /\bnull\b/i.test(text), fields)).toEqual([]);
    say(`${fields.length} nullable fields say what null means`);
  });

  test('a description in the schema of a Boolean says when it is true', () => {
    const booleans = types
      .filter((type) => isObjectType(type) || isInterfaceType(type) || isInputObjectType(type))
      .flatMap((type) =>
        Object.values(type.getFields())
          .filter((field) => /\bBoolean\b/.test(String(field.type)))
          .map((field) => named(type.name, field)),
      );
    expect(failing((text) => /^True (if|to) /.test(text), booleans)).toEqual([]);
    say(`${booleans.length} Booleans say when they are true`);
  });

  test('a description in the schema of an enum whose order has a meaning gives it in words, since the printed values are sorted', () => {
    for (const [name, values] of Object.entries({ KeyStatus: KEY_STATUSES, Plan: PLANS, Role: ROLES }))
      expect(schema.getType(name)?.description).toContain(values.join(', then '));
  });

  test('a description in the schema of an enum, a union or an interface that may grow says so and what to do about it', () => {
    const open = types.filter((type) => isEnumType(type) || isUnionType(type) || isInterfaceType(type));
    const silent = open.filter(({ description }) => !/ May grow: \S.*[.]$/.test(description ?? ''));
    expect(silent.map(({ name }) => name)).toEqual([
      'DeltaPart',
      'KeyScope',
      'MessageRole',
      'OrderDirection',
      'WorkspaceKind',
    ]);
    say(`${open.length - silent.length} of ${open.length} enums, unions and interfaces may grow`);
  });
});

describe('a mutation', () => {
  const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});
  const errorFields = namesIn(schema.getType('UserError') ?? expect.unreachable());

  test.each(mutations)(
    '$name takes one input and gives its payload or an error that a person can fix',
    (field) => {
      const name = field.name.charAt(0).toUpperCase() + field.name.slice(1);
      expect(field.args.map((argument) => `${argument.name}: ${argument.type}`)).toEqual([
        `input: ${name}Input!`,
      ]);
      expect(String(field.type)).toBe(`${name}Result!`);
      const result = getNamedType(field.type);
      const members = isUnionType(result) ? result.getTypes() : [];
      const errors = members.filter((type) =>
        type.getInterfaces().some((known) => known.name === 'UserError'),
      );
      const payloads = members.filter((type) => !errors.includes(type));
      expect(payloads.map((type) => type.name)).toEqual([`${name}Payload`]);
      // A document that selects both needs no alias.
      expect(
        namesIn(payloads[0] ?? expect.unreachable()).filter((each) => errorFields.includes(each)),
      ).toEqual([]);
    },
  );
});

describe('a result', () => {
  const results = types.filter(isUnionType).filter(({ name }) => name.endsWith('Result'));

  test('a mutation result has no payload with a field named as one of UserError, which clients could not select beside it', () => {
    const reserved = namesIn(schema.getType('UserError') ?? expect.unreachable());
    const payloads = types.filter(({ name }) => name.endsWith('Payload'));
    const taken = payloads.flatMap((type) =>
      namesIn(type)
        .filter((name) => reserved.includes(name))
        .map((name) => `${type.name}.${name}`),
    );
    expect(payloads).toHaveLength(results.length);
    expect(taken).toEqual([]);
  });

  test('a mutation result has one type for each field name, so that no client needs an alias', () => {
    const clashing = results.flatMap((result) => {
      const fields = result.getTypes().flatMap((type) => Object.values(type.getFields()));
      const byName = Map.groupBy(fields, ({ name }) => name);
      return [...byName]
        .filter(([, same]) => new Set(same.map(({ type }) => String(type))).size > 1)
        .map(([name]) => `${result.name}: ${name}`);
    });
    expect(clashing).toEqual([]);
  });
});

test('no answer of the API has a field that could carry a secret', () => {
  const secretWords = ['secret', 'secrets', 'sealed', 'ciphertext', 'tag', 'token', 'password', 'credential'];
  const suspicious = outputFields
    .filter(({ type }) => type !== schema.getMutationType())
    .filter(({ field }) =>
      field.name.split(/(?=[A-Z])/).some((word) => secretWords.includes(word.toLowerCase())),
    );
  // Accepts an invitation, once: its creator has to be able to send it. So does the operator with `url` of
  // CreatePasswordResetPayload, which only the operator's token gets. That a password can be reset is no secret.
  expect(suspicious.map(({ name }) => name)).toEqual([
    'CreateInvitationPayload.token',
    'ServerInfo.canResetPassword',
  ]);
});

describe('a list', () => {
  test('a list in the schema that can grow is a connection with nodes, edges and pageInfo, read from either end', () => {
    const connections = outputFields.filter(({ field }) => /Connection$/.test(getNamedType(field.type).name));
    expect(connections.map(({ name }) => name)).toEqual([
      'Query.accounts',
      'Team.apiKeys',
      'Team.auditLog',
      'Team.invitations',
      'Team.members',
      'Team.workspaces',
      'Thread.messages',
      'Viewer.teams',
      'Viewer.workspaces',
      'Workspace.apiKeys',
      'Workspace.auditLog',
      'Workspace.invitations',
      'Workspace.members',
      'Workspace.models',
      'Workspace.threads',
    ]);
    for (const { field } of connections) {
      const places = field.args.filter(({ name }) => name !== 'orderBy' && name !== 'filter');
      expect(places.map((argument) => `${argument.name}: ${argument.type}`)).toEqual([
        'after: String',
        'before: String',
        'first: Int',
        'last: Int',
      ]);
      const noun = getNamedType(field.type).name.replace('Connection', '');
      expect(fieldsOf(`${noun}Connection`)).toEqual([
        `edges: [${noun}Edge!]!`,
        `nodes: [${noun}!]!`,
        'pageInfo: PageInfo!',
      ]);
      expect(fieldsOf(`${noun}Edge`)).toEqual(['cursor: String!', `node: ${noun}!`]);
    }
  });

  test('a list in the schema is given whole only where it is short by its nature', () => {
    const whole = outputFields.filter(
      ({ field, name }) => isListed(field.type) && !/Connection\./.test(name),
    );
    expect(whole.map(({ name }) => name)).toEqual([
      'AddApiKeyPayload.models',
      'Answer.attachmentUses',
      'Answer.attachments',
      'Answer.attempts',
      'Answer.citations',
      'Answer.siblings',
      'AnswerError.suggestions',
      'AnswerOptions.stop',
      'CheckApiKeyPayload.models',
      'InvalidInputError.fields',
      'Message.attachments',
      'Message.siblings',
      'Model.apiKeys',
      'Model.capabilities',
      'Model.factSources',
      'ModelPrice.tiers',
      'ModelUnavailableError.suggestions',
      'ModelsUpdated.added',
      'ModelsUpdated.models',
      'ModelsUpdated.removed',
      'ModelsUpdated.shuttingDown',
      'OptionSupport.efforts',
      'Query.nodes',
      'Query.providers',
      'RemovalImpact.models',
      'RemoveApiKeyPayload.models',
      'SendMessagePayload.answers',
      'ThreadSnapshot.writing',
      'Upload.headers',
      'UserMessage.attachments',
      'UserMessage.siblings',
    ]);
  });

  test('a list in the schema is not read from both ends at once, nor by pages too large or too small', async () => {
    await using server = await startTestServer();
    const ada = await server.signUp();
    const answer = async (list: string) =>
      await post(server.url, ada.token, {
        query: `{ workspace(id: "${ada.workspaceId}") { ${list} { nodes { id } } } }`,
      });
    const code = async (list: string) =>
      (await answer(list)).errors?.map(({ extensions }) => extensions.code);
    expect(await answer('apiKeys(first: 1, last: 1)')).toMatchObject({
      errors: [
        {
          message: 'Give either first or last, not both.',
          extensions: { code: 'BAD_INPUT', fixableBy: 'YOU', fields: [{ path: 'first' }] },
        },
      ],
    });
    for (const list of ['apiKeys', 'models', 'threads']) {
      const most = list === 'models' ? 500 : 100;
      expect(await code(`${list}(first: 1, last: 1)`)).toEqual(['BAD_INPUT']);
      expect(await code(`${list}(first: 0)`)).toEqual(['BAD_INPUT']);
      expect(await code(`${list}(last: ${most + 1})`)).toEqual(['BAD_INPUT']);
      expect(await code(`${list}(after: "nonsense")`)).toEqual(['BAD_INPUT']);
      expect(await code(`${list}(last: ${most})`)).toBeUndefined();
    }
  });
});

describe('the shared operation', () => {
  const names = readdirSync('schema/operations').map((file) => file.replace('.graphql', ''));

  test.each(names)('%s is one documented operation of this schema', (name) => {
    const text = documentOf(name);
    const document = parse(text);
    expect(validate(schema, document)).toEqual([]);
    expect(text).toMatch(/^# [A-Z].*[.?)]$/m);
    expect(text.startsWith('# ')).toBe(true);
    const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
    expect(operations).toHaveLength(1);
    // Named after its file, so that logs and clients' caches show which one it is.
    const operationName = name.replace(/(^|-)(\w)/g, (_match, _dash, letter: string) => letter.toUpperCase());
    expect(operations[0]?.kind === Kind.OPERATION_DEFINITION && operations[0].name?.value).toBe(
      operationName,
    );
    // Code generators, Relay and Apollo hold the fragments of all files in one list: no two may have one name.
    for (const definition of document.definitions)
      if (definition.kind === Kind.FRAGMENT_DEFINITION)
        expect(definition.name.value).toMatch(new RegExp(`^${operationName}[A-Z]`));
  });

  test('the shared operation exists for everything that can be done or followed', () => {
    const documents = names.map(documentOf).join('\n');
    const roots = [schema.getMutationType(), schema.getSubscriptionType()];
    const fields = roots.flatMap((type) => Object.keys(type?.getFields() ?? {}));
    expect(fields.filter((field) => !new RegExp(`^ {2}${field}\\(`, 'm').test(documents))).toEqual([]);
  });
});

describe('since the last release', () => {
  const released = buildSchema(readFileSync('test/fixtures/schema-0.1.0.graphql', 'utf8'));
  const [, newest = ''] = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m);

  test('nothing that a client may have relied on is gone unless the changelog names it, in backticks', () => {
    const broken = findBreakingChanges(released, schema);
    const unnamed = broken.filter(({ description }) => !newest.includes(`\`${coordinateIn(description)}\``));
    expect(unnamed.map(({ description }) => `${coordinateIn(description)}: ${description}`)).toEqual([]);
    say(`${broken.length} breaking changes since the last release, all of them named`);
  });

  test.each([
    ['Field Message.author was removed.', 'Message.author'],
    ['Enum value ErrorCode.BUSY was removed.', 'ErrorCode.BUSY'],
    ['A required argument Query.node(kind:) was added.', 'Query.node(kind:)'],
    ['A required field StopAnswerInput.answerId was added.', 'StopAnswerInput.answerId'],
    ['AnswerError was removed from union type CheckApiKeyResult.', 'AnswerError'],
    ['ModelsChanged was removed.', 'ModelsChanged'],
  ])('%s names %s', (description, coordinate) => {
    expect(coordinateIn(description)).toBe(coordinate);
  });
});

/** What a breaking change is about, as graphql names it first: a type, a member of one, or an argument. */
function coordinateIn(description: string): string {
  const words = description.replace(
    /^(A required (argument|field)|Field|Enum value|Argument|Standard scalar) /,
    '',
  );
  return /^[\w.]+(\(\w+:\))?(?=[ .])/.exec(words)?.[0].replace(/[.]$/, '') ?? description;
}

/** The names that clients rely on: they stay, and more may come. A signature counts as a whole, a name alone as a name. */
const CONTRACT = `
enum ProviderName: OPENAI ANTHROPIC GEMINI MISTRAL PERPLEXITY XAI NOVITA CUSTOM
enum WorkspaceKind: PERSONAL SHARED
enum Plan: FREE PREMIUM BUSINESS
enum Role: OWNER ADMIN MEMBER VIEWER
enum KeyScope: PERSONAL WORKSPACE TEAM
enum KeyStatus: UNVERIFIED ACTIVE RATE_LIMITED EXHAUSTED INVALID EXPIRED DISABLED SUSPENDED NEEDS_REENTRY
enum MessageRole: USER ASSISTANT
enum AttachmentKind: IMAGE PDF TEXT DOCUMENT
enum AttachmentStatus: WAITING READING READY REFUSED
enum AttachmentUseKind: NATIVE AS_TEXT LEFT_OUT
enum AttachmentRefusal: TOO_LARGE UNSUPPORTED ENCRYPTED DAMAGED TOO_COMPLEX
type Attachment: id workspace fileName kind mediaType sizeBytes status refusal refusalCode width height pageCount
type Attachment: url urlExpiresAt createdBy createdAt
type Upload: url method headers expiresAt
type UploadHeader: name value
enum AnswerStatus: WRITING COMPLETE STOPPED FAILED INTERRUPTED
enum DeltaPart: TEXT REASONING
enum FinishReason: STOP LENGTH CONTENT_FILTER OTHER
enum FixableBy: YOU KEY_MANAGER WORKSPACE_ADMIN OPERATOR PROVIDER NOBODY
enum ErrorCode: INVALID_KEY KEY_EXPIRED KEY_LACKS_PERMISSION MODEL_NOT_FOUND MODEL_UNAVAILABLE QUOTA_EXCEEDED RATE_LIMITED
enum ErrorCode: CONTEXT_TOO_LONG CONTENT_FILTERED BAD_REQUEST PROVIDER_OVERLOADED PROVIDER_ERROR NETWORK TIMEOUT STREAM_CUT
enum ErrorCode: OUTPUT_TOO_LARGE EMPTY_ANSWER INTERRUPTED NO_KEY KEY_REMOVED KEY_UNAVAILABLE PLAN_REQUIRED NOT_PERMITTED
enum ErrorCode: BUDGET_EXCEEDED NOT_FOUND BAD_INPUT CONFLICT BUSY STALE_SEALING_KEY
interface Node: id
interface UserError: code message fixableBy retryAt
type InvalidInputError: code message fixableBy retryAt fields
type ProviderRefusedError: code message fixableBy retryAt provider storedApiKey
type ProviderUnavailableError: code message fixableBy retryAt provider
type PlanRequiredError: code message fixableBy retryAt requiredPlan
type NotPermittedError: code message fixableBy retryAt requiredRole
type NotFoundError: code message fixableBy retryAt
type ConflictError: code message fixableBy retryAt
type ModelUnavailableError: code message fixableBy retryAt suggestions
type StaleSealingKeyError: code message fixableBy retryAt sealingKey
type BusyError: code message fixableBy retryAt
type AnswerError: code message fixableBy retryAt
type Query: viewer node nodes providers workspace team thread accounts serverInfo
type ServerInfo: version signUp canResetPassword maxFileBytes maxAnswersAtOnce
type Viewer: id user email personalWorkspace workspaces teams
type User: id name
type Workspace: id name kind plan viewerRole sealingKey apiKeys models threads members invitations auditLog team
type Workspace: viewerCanSend viewerCanManageThreads viewerCanManageKeys viewerCanManageMembers viewerCanReadAuditLog viewerCanRename
type Workspace: viewerCanTransfer viewerCanDelete viewerCanLeave
type Team: viewerCanManageKeys viewerCanManageMembers viewerCanReadAuditLog viewerCanRename viewerCanCreateWorkspace
type Team: viewerCanTransfer viewerCanDelete viewerCanLeave
type Team: id name plan viewerRole sealingKey apiKeys workspaces members invitations auditLog
union Tenant: Workspace Team
type AuditEntry: id position at action actor subjectId description
input AuditLogFilter: actions actorId from to
type Member: id tenant user role joinedAt
type Invitation: id tenant role createdBy createdAt expiresAt
type SealingKey: id publicKey
type Provider: id name title keysUrl keyPlaceholder
type ApiKey: id provider label hint scope status statusMessage isEnabled baseUrl createdBy createdAt lastUsedAt
type ApiKey: expiresAt modelsRefreshedAt position removalImpact tenant
type RemovalImpact: models threadCount runningAnswerCount
type Model: id provider name title isAvailable unavailableReason paidBy apiKeys contextWindow maxOutputTokens
type Model: capabilities price tenant
type ModelPrice: input output cachedInput cacheWrite
type Money: amount currency
enum CurrencyCode: USD
type Thread: id title workspace visibility revision messages createdBy createdAt canGenerate cannotGenerateReason viewerCanSend
type Thread: updatedAt lastMessageAt viewerCanRename viewerCanDelete
interface Message: id thread parent role text attachments author createdAt siblings siblingIndex siblingCount viewerCanEdit viewerCanRemove
type UserMessage: id thread parent role text attachments author createdAt siblings siblingIndex siblingCount viewerCanEdit viewerCanRemove
type Answer: id thread parent role text attachments author createdAt siblings siblingIndex siblingCount viewerCanEdit viewerCanRemove
type Answer: status model modelName provider paidBy apiKey error usage citations reasoning finishReason providerFinishReason
type Usage: inputTokens outputTokens cachedInputTokens reasoningTokens isEstimated
type Citation: url title startOffset endOffset
type Mutation: addApiKey checkApiKey updateApiKey replaceApiKeySecret removeApiKey
type Mutation: createWorkspace updateWorkspace deleteWorkspace leaveWorkspace transferWorkspace
type Mutation: createTeam updateTeam deleteTeam leaveTeam transferTeam addMember updateMember removeMember
type Mutation: createInvitation revokeInvitation acceptInvitation
type Mutation: setPlan disableUser enableUser signOutUser createPasswordReset
type Mutation: createThread updateThread deleteThread sendMessage stopAnswer regenerateAnswer
type Mutation: createAttachment removeAttachment
input CreateAttachmentInput: workspaceId fileName sizeBytes
input RemoveAttachmentInput: id
type CreateAttachmentPayload: attachment upload
type RemoveAttachmentPayload: removedId
type AttachmentUpdated: attachment
input AddApiKeyInput: workspaceId teamId provider label secret sealed baseUrl expiresAt
input SealedSecretInput: keyId box
input CheckApiKeyInput: id
input UpdateApiKeyInput: id label isEnabled expiresAt position
input ReplaceApiKeySecretInput: id secret sealed baseUrl
input RemoveApiKeyInput: id
input CreateWorkspaceInput: name teamId
input UpdateWorkspaceInput: id name
input DeleteWorkspaceInput: id
input LeaveWorkspaceInput: id
input TransferWorkspaceInput: id userId
input CreateTeamInput: name
input UpdateTeamInput: id name
input DeleteTeamInput: id
input LeaveTeamInput: id
input TransferTeamInput: id userId
input AddMemberInput: workspaceId userId role
input UpdateMemberInput: workspaceId teamId userId role
input RemoveMemberInput: workspaceId teamId userId
input CreateInvitationInput: workspaceId teamId role expiresInHours
input RevokeInvitationInput: id
input AcceptInvitationInput: token
input SetPlanInput: userId email teamId plan
input DisableUserInput: userId email
input EnableUserInput: userId email
input SignOutUserInput: userId email
input CreatePasswordResetInput: userId email
type Account: id userId email name createdAt disabledAt openSessionCount
input CreateThreadInput: workspaceId title visibility
input UpdateThreadInput: id title visibility
input DeleteThreadInput: id
input SendMessageInput: threadId text attachmentIds modelIds parentId idempotencyKey
input StopAnswerInput: answerId
input RegenerateAnswerInput: answerId modelId
type AddApiKeyPayload: apiKey workspace team models warning
type CheckApiKeyPayload: apiKey models
type UpdateApiKeyPayload: apiKey
type ReplaceApiKeySecretPayload: apiKey
type RemoveApiKeyPayload: removedId models
type CreateWorkspacePayload: workspace
type UpdateWorkspacePayload: workspace
type DeleteWorkspacePayload: removedId
type LeaveWorkspacePayload: removedId
type TransferWorkspacePayload: workspace
type CreateTeamPayload: team
type UpdateTeamPayload: team
type DeleteTeamPayload: removedId
type LeaveTeamPayload: removedId
type TransferTeamPayload: team
type AddMemberPayload: member
type UpdateMemberPayload: member
type RemoveMemberPayload: removedId
type CreateInvitationPayload: invitation token
type RevokeInvitationPayload: removedId
type AcceptInvitationPayload: workspace team
type SetPlanPayload: userId teamId plan previousPlan isDefault workspaceCount
type CreateThreadPayload: thread
type UpdateThreadPayload: thread
type DeleteThreadPayload: removedId
type SendMessagePayload: userMessage answers thread
type StopAnswerPayload: answer
type RegenerateAnswerPayload: answer
type Subscription: answerEvents threadEvents workspaceEvents
union WorkspaceEvent: WorkspaceSnapshot WorkspaceUpdated ApiKeyAdded ApiKeyUpdated ApiKeyRemoved ModelsUpdated
union WorkspaceEvent: MemberAdded MemberUpdated MemberRemoved ThreadUpdated ThreadRemoved AttachmentUpdated
type ApiKeyAdded: apiKey
type ApiKeyUpdated: apiKey
type ApiKeyRemoved: removedId
type ModelsUpdated: workspace models message
type MemberAdded: member
type MemberUpdated: member
type MemberRemoved: removedId userId
union AnswerEvent: AnswerDelta AnswerRetrying AnswerFinished AnswerFailed
union ThreadEvent: ThreadSnapshot MessageAdded AnswerDelta AnswerRetrying AnswerFinished AnswerFailed ThreadUpdated
union ThreadEvent: MessageRemoved ThreadRemoved
type AnswerDelta: answerId part offset text
type AnswerRetrying: answerId attempt retryAt error
type AnswerFinished: answer
type AnswerFailed: answer error
type ThreadSnapshot: thread writing
type MessageAdded: message
type ThreadUpdated: thread
type MessageRemoved: removedId thread
type ThreadRemoved: removedId
union WorkspaceEvent: ThreadAdded ThreadUpdated ThreadRemoved
type ThreadAdded: thread
`;

/** Those of them whose types and arguments are fixed as well. */
const SIGNATURES = [
  'Query.viewer: Viewer',
  'Query.node(id: ID!): Node',
  'Query.nodes(ids: [ID!]!): [Node]!',
  'Query.providers: [Provider!]!',
  'Query.workspace(id: ID!): Workspace',
  'Query.team(id: ID!): Team',
  'Query.thread(id: ID!): Thread',
  'UserError.code: ErrorCode!',
  'UserError.message: String!',
  'UserError.fixableBy: FixableBy!',
  'UserError.retryAt: DateTime',
  'ModelUnavailableError.suggestions: [Model!]!',
  'Model.paidBy: KeyScope',
  'Usage.inputTokens: Int',
  'Usage.outputTokens: Int',
  'Usage.cachedInputTokens: Int',
  'Usage.reasoningTokens: Int',
  'Usage.isEstimated: Boolean!',
  'Citation.url: String!',
  'Citation.title: String',
  'Citation.startOffset: Int',
  'Citation.endOffset: Int',
  'Subscription.answerEvents(answerId: ID!, offset: Int! = 0, reasoningOffset: Int! = 0): AnswerEvent!',
  'Subscription.threadEvents(threadId: ID!): ThreadEvent!',
  'AnswerDelta.answerId: ID!',
  'AnswerDelta.part: DeltaPart!',
  'AnswerDelta.offset: Int!',
  'AnswerDelta.text: String!',
  'AnswerRetrying.answerId: ID!',
  'AnswerRetrying.attempt: Int!',
  'AnswerRetrying.retryAt: DateTime!',
  'AnswerRetrying.error: AnswerError!',
  'AnswerFinished.answer: Answer!',
  'AnswerFailed.answer: Answer!',
  'AnswerFailed.error: AnswerError!',
  'ThreadSnapshot.thread: Thread!',
  'ThreadSnapshot.writing: [Answer!]!',
  'MessageAdded.message: Message!',
  'Message.thread: Thread!',
  'Message.parent: Message',
  'Message.role: MessageRole!',
  'Message.text: String!',
  'Message.author: User',
  'Message.createdAt: DateTime!',
  'Message.siblings: [Message!]!',
  'Message.siblingIndex: Int!',
  'Message.siblingCount: Int!',
  'Answer.status: AnswerStatus!',
  'SendMessagePayload.userMessage: UserMessage!',
  'SendMessagePayload.answers: [Answer!]!',
  'StopAnswerPayload.answer: Answer!',
  'RegenerateAnswerPayload.answer: Answer!',
  'ThreadUpdated.thread: Thread!',
  'MessageRemoved.removedId: ID!',
  'MessageRemoved.thread: Thread!',
  'ThreadRemoved.removedId: ID!',
  'ThreadAdded.thread: Thread!',
];

/** Part of the contract and not built yet. What comes moves up into it. */
const LATER = ['Workspace.usage'];

describe('the contract', () => {
  test('the schema contract keeps every name that clients may rely on', () => {
    const lines = CONTRACT.trim().split('\n');
    const missing = lines.flatMap((line) => {
      const [kind = '', typeName = '', names = ''] = /^(\w+) (\w+): (.+)$/.exec(line)?.slice(1) ?? [];
      const type = schema.getType(typeName);
      if (type === undefined || kindOf(type) !== kind) return [`${kind} ${typeName}`];
      return names
        .split(' ')
        .filter((name) => !namesIn(type).includes(name))
        .map((name) => `${typeName}.${name}`);
    });
    expect(missing).toEqual([]);
  });

  test('the schema contract keeps the arguments and types that it states', () => {
    const stated = outputFields.map(({ type, field }) => signatureOf(type.name, field));
    expect(SIGNATURES.filter((signature) => !stated.includes(signature))).toEqual([]);
  });

  test('the schema contract lists as missing only what is not built yet', () => {
    const built = LATER.filter((name) => {
      const [typeName = '', member] = name.split('.');
      const type = schema.getType(typeName);
      return type !== undefined && (member === undefined || namesIn(type).includes(member));
    });
    expect(built).toEqual([]);
  });

  test('the schema contract lets a client leave out every input that came after the first ones', () => {
    const required = types.flatMap((type) =>
      isInputObjectType(type)
        ? Object.values(type.getFields())
            .filter((field) => !isNullableType(field.type) && field.defaultValue === undefined)
            .map((field) => `${type.name}.${field.name}`)
        : [],
    );
    expect(required).toEqual([
      'AcceptInvitationInput.token',
      'AddApiKeyInput.provider',
      'AddMemberInput.role',
      'AddMemberInput.userId',
      'AddMemberInput.workspaceId',
      'AddModelInput.apiKeyId',
      'AddModelInput.name',
      'AnswerRequestInput.modelId',
      'CheckApiKeyInput.id',
      'CreateAttachmentInput.fileName',
      'CreateAttachmentInput.sizeBytes',
      'CreateAttachmentInput.workspaceId',
      'CreateInvitationInput.role',
      'CreateModelVariantInput.baseModelId',
      'CreateModelVariantInput.title',
      'CreateModelVariantInput.workspaceId',
      'CreateTeamInput.name',
      'CreateThreadInput.workspaceId',
      'CreateWorkspaceInput.name',
      'DeleteTeamInput.id',
      'DeleteThreadInput.id',
      'DeleteWorkspaceInput.id',
      'LeaveTeamInput.id',
      'LeaveWorkspaceInput.id',
      'ModelOrder.direction',
      'ModelOrder.field',
      'RegenerateAnswerInput.answerId',
      'RemoveApiKeyInput.id',
      'RemoveAttachmentInput.id',
      'RemoveMemberInput.userId',
      'RemoveModelVariantInput.id',
      'ReplaceApiKeySecretInput.id',
      'RevokeInvitationInput.id',
      'SealedSecretInput.box',
      'SealedSecretInput.keyId',
      'SendMessageInput.threadId',
      'SetModelPreferenceInput.modelId',
      'SetModelPreferenceInput.workspaceId',
      'StopAnswerInput.answerId',
      'ThreadOrder.direction',
      'ThreadOrder.field',
      'TransferTeamInput.id',
      'TransferTeamInput.userId',
      'TransferWorkspaceInput.id',
      'TransferWorkspaceInput.userId',
      'UpdateApiKeyInput.id',
      'UpdateMemberInput.role',
      'UpdateMemberInput.userId',
      'UpdateModelVariantInput.id',
      'UpdateTeamInput.id',
      'UpdateThreadInput.id',
      'UpdateWorkspaceInput.id',
    ]);
  });
});

/** Words that make a reader of the printed schema look elsewhere for the subject. */
const PRONOUN =
  /^(the one|all of|from when|until when|it|its|they|their|them|these|those|this|that|he|she|we|you|your|what|which|who|whose|whom|why|when|where|how|whether|every(body|one|thing)|some(body|one|thing)|anybody|anyone|anything|nobody|none|nothing)\b/i;

/** Words that a stranger has to decode. */
const RIDDLE = /\b(told|brought|deed|whoever|somebody|stands?|anew|mend|lets? (\w+ )*in(to)?)\b/i;

interface Described {
  name: string;
  description: string | null | undefined;
}

/** Fields, arguments, input fields and enum values of a type. */
function partsOf(type: GraphQLNamedType): Described[] {
  if (isEnumType(type)) return type.getValues().map((value) => named(type.name, value));
  if (isInputObjectType(type)) return Object.values(type.getFields()).map((field) => named(type.name, field));
  if (!isObjectType(type) && !isInterfaceType(type)) return [];
  return Object.values(type.getFields()).flatMap((field) => [
    named(type.name, field),
    ...field.args.map((argument) => named(`${type.name}.${field.name}`, argument)),
  ]);
}

function printed({ name, description }: Described): string {
  return `${name}: ${description}`;
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

function named(parent: string, { name, description }: Described): Described {
  return { name: `${parent}.${name}`, description };
}

function namesIn(type: GraphQLNamedType): string[] {
  if (isUnionType(type)) return type.getTypes().map(({ name }) => name);
  if (isEnumType(type)) return type.getValues().map(({ name }) => name);
  if (isInputObjectType(type) || isObjectType(type) || isInterfaceType(type))
    return Object.keys(type.getFields());
  return [];
}

function kindOf(type: GraphQLNamedType): string {
  if (isUnionType(type)) return 'union';
  if (isEnumType(type)) return 'enum';
  if (isInputObjectType(type)) return 'input';
  return isInterfaceType(type) ? 'interface' : 'type';
}

function fieldsOf(typeName: string): string[] {
  const type = schema.getType(typeName);
  if (!isObjectType(type)) return [];
  return Object.values(type.getFields()).map((field) => `${field.name}: ${field.type}`);
}

function signatureOf(typeName: string, field: GraphQLField<unknown, unknown>): string {
  const list = field.args.map((argument) => {
    const literal = argument.default?.literal;
    return `${argument.name}: ${argument.type}${literal === undefined ? '' : ` = ${print(literal)}`}`;
  });
  return `${typeName}.${field.name}${list.length > 0 ? `(${list.join(', ')})` : ''}: ${field.type}`;
}

function isListed(type: GraphQLOutputType): boolean {
  return isListType(getNullableType(type));
}
