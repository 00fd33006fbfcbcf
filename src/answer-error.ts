import { type ErrorCode, type FixableBy, UserError } from './errors.ts';

/** The codes an answer can end with. */
export type AnswerErrorCode = Exclude<
  ErrorCode,
  'NOT_FOUND' | 'BAD_INPUT' | 'CONFLICT' | 'BUSY' | 'STALE_SEALING_KEY'
>;

/** The code that a row holds; PROVIDER_ERROR for one that no version of this server writes. */
export function answerErrorCode(stored: string): AnswerErrorCode {
  return Object.hasOwn(ANSWER_ERRORS, stored) ? (stored as AnswerErrorCode) : 'PROVIDER_ERROR';
}

/** For each way an answer can fail: who can fix it, and the sentence shown. The provider's title is passed in. */
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
    sentence: (provider) =>
      `${provider} did not accept this request. Choose another model; if every model fails like this, check the address (base URL).`,
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
      `${provider} could not be reached from this server. Try again; if that does not help, ask the operator of this server.`,
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
  FILE_UNREADABLE: {
    fixableBy: 'OPERATOR',
    sentence: () =>
      'A file of this conversation could not be read on this server. Ask again: a file that is lost is then left out. If that does not help, ask the operator of this server.',
  },
  INTERRUPTED: {
    fixableBy: 'YOU',
    sentence: () =>
      'The server stopped while this answer was being written. The text so far is kept; ask again for a whole one.',
  },
  NO_MODELS: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `${provider} lists no chat model for this key. Add or allow one there, then check this key again.`,
  },
  NO_KEY: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `No usable ${provider} key offers this model here. Add or fix one, or choose another model.`,
  },
  KEY_REMOVED: {
    fixableBy: 'KEY_MANAGER',
    sentence: (provider) =>
      `The ${provider} key was removed or switched off while this answer was being written.`,
  },
  KEY_UNAVAILABLE: {
    fixableBy: 'OPERATOR',
    sentence: () =>
      'The stored key could not be opened on this server. Enter it again, or ask the operator of this server.',
  },
  PLAN_REQUIRED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () =>
      'The plan does not include this provider key. The owner of the workspace or team can ask the operator of this server to change it.',
  },
  NOT_PERMITTED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () => 'The person who asked for this answer may no longer write here. The text so far is kept.',
  },
  BUDGET_EXCEEDED: {
    fixableBy: 'WORKSPACE_ADMIN',
    sentence: () => 'The budget set for this workspace is used up. An admin can raise it.',
  },
};

/** Whether the sentence has details about a key. Not that it is gone, since nothing of it is left to hide. */
export function isAboutKey(code: AnswerErrorCode): boolean {
  if (code === 'KEY_REMOVED') return false;
  return ANSWER_ERRORS[code].fixableBy === 'KEY_MANAGER' || code === 'KEY_UNAVAILABLE';
}

/** The sentence for one reader. Details about a key are for its managers; for other readers it says whom to ask. */
export function answerSentence(code: AnswerErrorCode, providerTitle: string, managesKey: boolean): string {
  if (managesKey || !isAboutKey(code)) return ANSWER_ERRORS[code].sentence(providerTitle);
  return code === 'NO_KEY'
    ? `No usable ${providerTitle} key offers this model here. Choose another model, or ask the person who manages the keys for one.`
    : `The ${providerTitle} key for this model cannot be used at the moment. Choose another model, or ask the person who manages the key.`;
}

/** Why an answer failed. */
export class AnswerError extends UserError {
  /** The answer that ended with it; null for a failure that is still to be retried. */
  readonly answerId: string | null = null;

  constructor(
    code: AnswerErrorCode,
    providerTitle: string,
    retryAt: Date | null = null,
    /** Whether the reader manages the key. */
    managesKey = true,
  ) {
    const sentence = answerSentence(code, providerTitle, managesKey);
    super(code, sentence, ANSWER_ERRORS[code].fixableBy, retryAt);
  }
}

/** The provider definitely refused the key. */
export class ProviderRefusedError extends UserError {
  readonly provider: string;
  /** Id of the stored key that was refused; null for one that was to be stored and was not. */
  readonly apiKeyId: string | null;

  /** `hint` is a further sentence, e.g. that the key looks like another provider's. */
  constructor(
    code: AnswerErrorCode,
    provider: { name: string; title: string },
    hint: string | null,
    apiKeyId: string | null = null,
  ) {
    super(code, withHint(ANSWER_ERRORS[code].sentence(provider.title), hint), 'YOU');
    this.provider = provider.name;
    this.apiKeyId = apiKeyId;
  }
}

/** The provider could not be asked about a stored key, or said nothing about it; the key is as it was. */
export class ProviderUnavailableError extends UserError {
  readonly provider: string;

  constructor(
    code: AnswerErrorCode,
    provider: { name: string; title: string },
    retryAt: Date | null = null,
    hint: string | null = null,
  ) {
    const { sentence, fixableBy } = ANSWER_ERRORS[code];
    super(code, withHint(sentence(provider.title), hint), fixableBy, retryAt);
    this.provider = provider.name;
  }
}

function withHint(sentence: string, hint: string | null): string {
  return hint === null ? sentence : `${sentence} ${hint}`;
}
