import type { Plan, Role } from './plans-and-roles.ts';
/**
 * The errors that a person can fix. Each says what happened, then what to do, and who can do it.
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
  'FILE_UNREADABLE',
  'INTERRUPTED',
  'NO_MODELS',
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

/** Who can fix an error. */
export type FixableBy = 'YOU' | 'KEY_MANAGER' | 'WORKSPACE_ADMIN' | 'OPERATOR' | 'PROVIDER' | 'NOBODY';

/** An error that a person can fix: the API returns it as a member of a result union. */
export abstract class UserError extends Error {
  readonly code: ErrorCode;
  readonly fixableBy: FixableBy;
  /** When the same request may succeed without a change; null if waiting does not help or the time is unknown. */
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

  constructor(path: string, message: string) {
    super('BAD_INPUT', message, 'YOU');
    this.fields = [{ path, message }];
  }
}

export class PlanRequiredError extends UserError {
  readonly requiredPlan: Exclude<Plan, 'FREE'>;

  /** `message` says what needs the plan and who can ask for it. */
  constructor(requiredPlan: Exclude<Plan, 'FREE'>, message: string, fixableBy: FixableBy) {
    super('PLAN_REQUIRED', message, fixableBy);
    this.requiredPlan = requiredPlan;
  }
}

export class NotPermittedError extends UserError {
  /** Null if no role is enough. */
  readonly requiredRole: Role | null;

  constructor(requiredRole: Role | null, action: string) {
    const whom = requiredRole === 'OWNER' ? 'the owner' : 'an owner or admin';
    super(
      'NOT_PERMITTED',
      requiredRole === null
        ? `Only the operator of this server may ${action}.`
        : `Your role does not allow you to ${action}. Ask ${whom}.`,
      requiredRole === null ? 'OPERATOR' : 'WORKSPACE_ADMIN',
    );
    this.requiredRole = requiredRole;
  }
}

/** Nothing there, or not the viewer's: clients must not be able to distinguish the two. */
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

/** A model cannot be asked now. `suggestions` are ids of models that can, the replacement first, then by nearest name. */
export class ModelUnavailableError extends UserError {
  readonly suggestions: readonly string[];

  constructor(code: ErrorCode, message: string, fixableBy: FixableBy, suggestions: readonly string[]) {
    super(code, message, fixableBy);
    this.suggestions = suggestions;
  }
}

/** The submitted secret was sealed with a sealing key that is no longer in use; `sealingKey` is the current one. */
export class StaleSealingKeyError extends UserError {
  readonly sealingKey: { id: string; publicKey: string };

  constructor(sealingKey: { id: string; publicKey: string }) {
    super('STALE_SEALING_KEY', 'The sealing key has changed. Seal the secret again with the new one.', 'YOU');
    this.sealingKey = sealingKey;
  }
}

/** A limit of this server or person is reached for the moment. */
/** This server begins no more answers, since it is being stopped. No member of a union: a client repeats the send by itself. */
export class ShuttingDownError extends Error {
  override readonly name = 'ShuttingDownError';
  readonly retryAt: Date;

  constructor(retryAt: Date) {
    super('This server is shutting down. Try again in a moment.');
    this.retryAt = retryAt;
  }
}

export class BusyError extends UserError {
  constructor(message: string, retryAt: Date | null) {
    super('BUSY', message, 'YOU', retryAt);
  }
}
