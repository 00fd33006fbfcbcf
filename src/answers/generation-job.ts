import type { KeyDeps } from '../keys/api-key.ts';
import type { FallbackKey } from '../keys/availability.ts';
import type { SealedKey } from '../keys/open-secret.ts';
import type { Model } from '../models/catalogue.ts';
import type { AnswerOptions } from '../providers/options.ts';
import type { EndDeps } from './end-answer.ts';
import type { LiveAnswer } from './live-answer.ts';
import type { SentConversation } from './sent-conversation.ts';

export type GenerateDeps = EndDeps & KeyDeps & { cachesPrompts: boolean };

/** An answer to generate, with its model and keys. */
export interface GenerationJob {
  live: LiveAnswer;
  model: Model;
  apiKeyId: string;
  /** The workspace or team that owns the keys. */
  keyTenantId: string;
  options: AnswerOptions;
  conversation: SentConversation;
  /** The record of the key as it was read when the answer began, for the first call. */
  sealedKey: SealedKey;
  /** The keys that may go on before the first character if that one fails, in their order. */
  fallbackKeys: readonly FallbackKey[];
  /** Whether the answer's row is there; the provider is asked before that is known. */
  isCommitted: Promise<boolean>;
}
