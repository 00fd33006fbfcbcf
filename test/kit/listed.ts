import type { ListedModel, ProviderName } from '../../src/providers/provider.ts';
import type { Providers } from '../../src/providers/registry.ts';
import { callOf } from '../fixtures/ask.ts';

/** A model of a provider's list, with what the list says about it. */
export async function listed(
  providers: Providers,
  provider: ProviderName,
  name: string,
): Promise<ListedModel> {
  const models = await providers[provider].listModels(callOf(providers, provider));
  const found = models.find((model) => model.name === name);
  if (found === undefined) throw new Error(`${provider} does not list ${name}`);
  return found;
}

/** A model of each provider that reasons, or shows what it can where none does. */
export const REASONERS: Record<ProviderName, string> = {
  OPENAI: 'gpt-6-sol',
  ANTHROPIC: 'claude-opus-5-5',
  GEMINI: 'gemini-3.8-flash',
  MISTRAL: 'mistral-medium-2604',
  PERPLEXITY: 'openai/gpt-5.6-luna',
  XAI: 'grok-4.7',
  NOVITA: 'deepseek/deepseek-r1',
  CUSTOM: 'qwen3:8b',
};
