import { ModelUnavailableError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import type { Model } from '../models/catalogue.ts';
import type { Turn } from '../providers/provider.ts';
import type { Thread } from '../threads/thread.ts';
import { suggestModels } from './find-paying-keys.ts';

/** Throws ModelUnavailableError for a conversation that is too long to be sent to any model. */
export function requireSendable({ bytes, messages }: { bytes: number; messages: number }): void {
  if (bytes <= MAX_BYTES && messages <= MAX_MESSAGES) return;
  const size =
    bytes > MAX_BYTES
      ? `${(bytes / MEBIBYTE).toFixed(1)} MiB long, and at most 4 MiB can be sent to a model`
      : `more than ${NUMBER.format(MAX_MESSAGES)} messages long, which is the most that can be sent to a model`;
  throw tooLong(`This conversation is ${size}. Reply to an earlier message, or begin a new thread.`, []);
}

/** Throws ModelUnavailableError if a conversation is clearly too long for the context window of one of these models. */
export async function requireContextWindows(
  deps: Pick<KeyDeps, 'db' | 'defaultPlan'>,
  thread: Thread,
  turns: readonly Turn[],
  models: readonly Model[],
): Promise<void> {
  const characters = turns.reduce((total, { text }) => total + text.length, 0);
  const tokens = Math.ceil(characters / MOST_CHARACTERS_PER_TOKEN);
  for (const model of models) {
    const { title, contextWindow } = model;
    if (contextWindow === null || tokens <= contextWindow) continue;
    throw tooLong(
      `This conversation is about ${NUMBER.format(tokens)} tokens long, and ${title} takes ${NUMBER.format(contextWindow)}. Shorten the message, reply to an earlier one, or choose a model with a larger context.`,
      await suggestModels(deps, thread, model, tokens),
    );
  }
}

function tooLong(message: string, suggestions: readonly string[]): ModelUnavailableError {
  return new ModelUnavailableError('CONTEXT_TOO_LONG', message, 'YOU', suggestions);
}

const NUMBER = new Intl.NumberFormat('en');
const MEBIBYTE = 2 ** 20;

/** In UTF-8. Two hundred answers at a time are written at most, each with a conversation in memory. */
const MAX_BYTES = 4 * MEBIBYTE;
export const MAX_MESSAGES = 20_000; // so many parents are looked up in a tenth of a second
/** More than texts of most languages have, so that nothing is refused here that the provider would take. */
const MOST_CHARACTERS_PER_TOKEN = 5;
