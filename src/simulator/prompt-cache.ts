import { createHash } from 'node:crypto';
import type { Conversation, TokenCounts } from './provider.ts';
import { countInputTokens } from './script.ts';

const MIN_TOKENS = 1_024; // as at OpenAI, and at Anthropic before 5.5
const MAX_PREFIXES = 10_000;

/** The prompt cache of all providers: it knows every conversation that was sent under a cache key, by its beginnings. */
export class PromptCache {
  readonly #prefixes = new Set<string>();

  /** Looks up the longest known beginning of a conversation, and remembers all of it. */
  use(account: string, conversation: Conversation): Pick<TokenCounts, 'cached' | 'written'> {
    const { cacheKey, turns } = conversation;
    if (cacheKey === null) return { cached: 0, written: 0 };
    const all = countInputTokens(conversation);
    let cached = 0;
    for (let count = 1; count <= turns.length; count++) {
      const beginning = { ...conversation, turns: turns.slice(0, count) };
      const tokens = countInputTokens(beginning);
      if (tokens < MIN_TOKENS) continue;
      const id = idOf([account, cacheKey, beginning.model, beginning.system, beginning.turns]);
      if (this.#prefixes.has(id)) cached = tokens;
      else this.#add(id);
    }
    return { cached, written: all < MIN_TOKENS ? 0 : all - cached };
  }

  #add(id: string): void {
    this.#prefixes.add(id);
    for (const oldest of this.#prefixes) {
      if (this.#prefixes.size <= MAX_PREFIXES) break;
      this.#prefixes.delete(oldest);
    }
  }
}

function idOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
