/**
 * The errors that a person can mend. Each says what happened, then what to do, and who can do it.
 * Texts are written here and never forwarded from elsewhere: providers echo parts of keys and prompts.
 */
export const ERROR_CODES = [
  'INVALID_KEY',
  'KEY_EXPIRED',
  'KEY_LACKS_PERMISSION',
  'MODEL_NOT_FOUND',
  'MODEL_UNAVAILABLE',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'CONTEXT_TOO_LONG',
  'CONTENT_FILTERED',
  'BAD_REQUEST',
  'PROVIDER_OVERLOADED',
  'PROVIDER_ERROR',
  'NETWORK',
  'TIMEOUT',
  'STREAM_CUT',
  'OUTPUT_TOO_LARGE',
  'EMPTY_ANSWER',
  'INTERRUPTED',
  'NO_KEY',
  'KEY_REMOVED',
  'KEY_UNAVAILABLE',
  'PLAN_REQUIRED',
  'NOT_PERMITTED',
  'BUDGET_EXCEEDED',
  'NOT_FOUND',
  'BAD_INPUT',
  'CONFLICT',
  'BUSY',
  'STALE_SEALING_KEY',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export const FIXABLE_BY = [
  'YOU',
  'KEY_MANAGER',
  'WORKSPACE_ADMIN',
  'OPERATOR',
  'PROVIDER',
  'NOBODY',
] as const;

export type FixableBy = (typeof FIXABLE_BY)[number];

/** An error that someone can mend: the API returns it as a member of a result union. */
export abstract class UserError extends Error {
  readonly code: ErrorCode;
  readonly fixableBy: FixableBy;
  /** When the same request may succeed without a change; null if waiting does not help or nobody said. */
  readonly retryAt: Date | null;

  constructor(code: ErrorCode, message: string, fixableBy: FixableBy, retryAt: Date | null = null) {
    super(message);
    this.code = code;
    this.fixableBy = fixableBy;
    this.retryAt = retryAt;
  }
}

/** One input field and what is wrong with it. `path` is dotted, e.g. `modelIds.0`. */
export interface InvalidField {
  path: string;
  message: string;
}

export class InvalidInputError extends UserError {
  readonly fields: readonly InvalidField[];

  constructor(fields: readonly [InvalidField, ...InvalidField[]]) {
    super('BAD_INPUT', fields.map((field) => field.message).join(' '), 'YOU');
    this.fields = fields;
  }
}

/** The provider definitely refused the key; nothing was stored. */
export class ProviderRefusedError extends UserError {
  readonly provider: string;

  /** `hint` is a further sentence, e.g. that the key looks like another provider's. */
  constructor(code: AnswerErrorCode, provider: string, providerTitle: string, hint: string | null) {
    const sentence = ANSWER_ERRORS[code].sentence(providerTitle);
    super(code, hint === null ? sentence : `${sentence} ${hint}`, 'YOU');
    this.provider = provider;
  }
}

export class PlanRequiredError extends UserError {
  readonly requiredPlan: 'PREMIUM' | 'BUSINESS';

  /** `message` says what needs the plan and who can ask for it. */
  constructor(requiredPlan: 'PREMIUM' | 'BUSINESS', message: string, fixableBy: FixableBy) {
    super('PLAN_REQUIRED', message, fixableBy);
    this.requiredPlan = requiredPlan;
  }
}

export class NotPermittedError extends UserError {
  /** Null if no role is enough. */
  readonly requiredRole: 'OWNER' | 'ADMIN' | 'MEMBER' | 'VIEWER' | null;

  constructor(requiredRole: 'OWNER' | 'ADMIN' | 'MEMBER' | 'VIEWER' | null, action: string) {
    const whom = requiredRole === 'OWNER' ? 'the owner' : 'an owner or admin';
    super(
      'NOT_PERMITTED',
      requiredRole === null
        ? `Only whoever runs this server may ${action}.`
        : `Your role does not allow you to ${action}. Ask ${whom}.`,
      requiredRole === null ? 'OPERATOR' : 'WORKSPACE_ADMIN',
    );
    this.requiredRole = requiredRole;
  }
}

/** Nothing there, or not the viewer's: the two must not be told apart. */
export class NotFoundError extends UserError {
  /** `hint` is a further sentence, for what can be gone in several ways. */
  constructor(noun: string, hint: string | null = null) {
    const sentence = `There is no such ${noun}, or you have no access to it.`;
    super('NOT_FOUND', hint === null ? sentence : `${sentence} ${hint}`, 'YOU');
  }
}

export class ConflictError extends UserError {
  constructor(message: string) {
    super('CONFLICT', message, 'YOU');
  }
}

/** A model cannot be asked now. `suggestions` are ids of models that can, nearest name first. */
export class ModelUnavailableError extends UserError {
  readonly suggestions: readonly string[];

  constructor(code: ErrorCode, message: string, fixableBy: FixableBy, suggestions: readonly string[]) {
    super(code, message, fixableBy);
    this.suggestions = suggestions;
  }
}

/** The box was sealed for a key pair that is no longer in use; `sealingKey` is the one to seal for now. */
export class StaleSealingKeyError extends UserError {
  readonly sealingKey: { id: string; publicKey: string };

  constructor(sealingKey: { id: string; publicKey: string }) {
    super('STALE_SEALING_KEY', 'The sealing key has changed. Seal the secret again with the new one.', 'YOU');
    this.sealingKey = sealingKey;
  }
}

/** A limit of this server or person is reached for the moment. */
export class BusyError extends UserError {
  constructor(message: string, retryAt: Date | null) {
    super('BUSY', message, 'YOU', retryAt);
  }
}

/** The codes an answer can end with. */
export type AnswerErrorCode = Exclude<
  ErrorCode,
  'NOT_FOUND' | 'BAD_INPUT' | 'CONFLICT' | 'BUSY' | 'STALE_SEALING_KEY'
>;

/** The code that a row holds; PROVIDER_ERROR for one that no version of this server writes. */
export function answerErrorCode(stored: string): AnswerErrorCode {
  return Object.hasOwn(ANSWER_ERRORS, stored) ? (stored as AnswerErrorCode) : 'PROVIDER_ERROR';
}

/** For each way an answer can fail: who can mend it, and the sentence shown. The provider's title is passed in. */
export const ANSWER_ERRORS: Record<
  AnswerErrorCode,
  { fixableBy: FixableBy; sentence: (providerTitle: string) => string }
> = {
  INVALID_KEY: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `${provider} did not accept this key. Check that it is complete and active, or replace it.`,
  },
  KEY_EXPIRED: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `This ${provider} key has expired. Replace it, or set a later expiry date if one was set here.`,
  },
  KEY_LACKS_PERMISSION: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `${provider} knows this key but does not allow it to do this. Widen its permissions there.`,
  },
  MODEL_NOT_FOUND: {
    fixableBy: 'YOU',
    sentence: (provider) => `${provider} has no model of this name for this key. Choose another model.`,
  },
  MODEL_UNAVAILABLE: {
    fixableBy: 'YOU',
    sentence: (provider) => `${provider} does not offer this model at the moment. Choose another model.`,
  },
  QUOTA_EXCEEDED: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `The account behind this key has no credit or quota left. Add some at ${provider}.`,
  },
  RATE_LIMITED: {
    fixableBy: 'YOU',
    sentence: (provider) => `${provider} is limiting requests with this key. Wait a little, then try again.`,
  },
  CONTEXT_TOO_LONG: {
    fixableBy: 'YOU',
    sentence: () =>
      'The conversation is too long for this model. Shorten it, or choose a model with a larger context.',
  },
  CONTENT_FILTERED: {
    fixableBy: 'YOU',
    sentence: (provider) => `${provider} declined to answer for reasons of content. Rephrase the message.`,
  },
  BAD_REQUEST: {
    fixableBy: 'YOU',
    sentence: (provider) => `${provider} did not accept this request for this model. Choose another model.`,
  },
  PROVIDER_OVERLOADED: {
    fixableBy: 'PROVIDER',
    sentence: (provider) => `${provider} is overloaded. Try again in a moment.`,
  },
  PROVIDER_ERROR: {
    fixableBy: 'PROVIDER',
    sentence: (provider) => `${provider} failed to answer. Try again, or choose another model.`,
  },
  NETWORK: {
    fixableBy: 'OPERATOR',
    sentence: (provider) =>
      `${provider} could not be reached from this server. Try again; if it stays so, tell its operator.`,
  },
  TIMEOUT: {
    fixableBy: 'PROVIDER',
    sentence: (provider) => `${provider} did not answer in time. Try again.`,
  },
  STREAM_CUT: {
    fixableBy: 'PROVIDER',
    sentence: (provider) =>
      `${provider} broke off in the middle of the answer. The text so far is kept; ask again for a whole one.`,
  },
  OUTPUT_TOO_LARGE: {
    fixableBy: 'YOU',
    sentence: () =>
      'The answer grew larger than 8 MiB and was ended. The text so far is kept; ask for less at a time.',
  },
  EMPTY_ANSWER: {
    fixableBy: 'YOU',
    sentence: (provider) =>
      `${provider} ended the answer without any text. Ask again, or rephrase the message.`,
  },
  INTERRUPTED: {
    fixableBy: 'YOU',
    sentence: () =>
      'The server stopped while this answer was being written. The text so far is kept; ask again for a whole one.',
  },
  NO_KEY: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `No usable ${provider} key offers this model here. Add or mend one, or choose another model.`,
  },
  KEY_REMOVED: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `The ${provider} key was removed or switched off while this answer was being written.`,
  },
  KEY_UNAVAILABLE: {
    fixableBy: 'OPERATOR',
    sentence: () =>
      'The stored key could not be opened on this server. Enter it again, or tell the operator.',
  },
  PLAN_REQUIRED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () =>
      'The plan does not include this provider key. The owner of the workspace or team can ask whoever runs this server to change it.',
  },
  NOT_PERMITTED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () => 'Whoever asked for this answer may no longer write here. The text so far is kept.',
  },
  BUDGET_EXCEEDED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () => 'The budget set for this workspace is used up. An admin can raise it.',
  },
};

/** The sentence for one reader. What is wrong with a key is for those who manage it; others are told whom to turn to. */
export function answerSentence(code: AnswerErrorCode, providerTitle: string, managesKey: boolean): string {
  const { sentence, fixableBy } = ANSWER_ERRORS[code];
  const isAboutKey = fixableBy === 'KEY_MANAGER' || code === 'KEY_UNAVAILABLE';
  if (managesKey || !isAboutKey || code === 'KEY_REMOVED') return sentence(providerTitle);
  return code === 'NO_KEY'
    ? `No usable ${providerTitle} key offers this model here. Choose another model, or ask whoever manages the keys for one.`
    : `The ${providerTitle} key for this model cannot be used at the moment. Choose another model, or tell whoever manages the key.`;
}

/** Why an answer failed, or a stored key could not be asked. */
export class AnswerError extends UserError {
  constructor(
    code: AnswerErrorCode,
    providerTitle: string,
    retryAt: Date | null = null,
    /** Whether it is for somebody who manages the key. */
    managesKey = true,
  ) {
    super(code, answerSentence(code, providerTitle, managesKey), ANSWER_ERRORS[code].fixableBy, retryAt);
  }
}
