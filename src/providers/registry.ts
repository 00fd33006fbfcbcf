import { createAnthropic } from './adapters/anthropic.ts';
import { createCustom } from './adapters/custom.ts';
import { createGemini } from './adapters/gemini.ts';
import { createMistral } from './adapters/mistral.ts';
import { createNovita } from './adapters/novita.ts';
import { createOpenAi } from './adapters/openai.ts';
import { createPerplexity } from './adapters/perplexity.ts';
import { createXai } from './adapters/xai.ts';
import { createTransport, type TransportOptions } from './http/transport.ts';
import type { Provider, ProviderName } from './provider.ts';

/** Every provider by its name, in the order in which they are shown. */
export type Providers = Readonly<Record<ProviderName, Provider>>;

/** Creates all providers over one HTTP client. */
export function createProviders(options: TransportOptions): Providers {
  return {
    OPENAI: createOpenAi(createTransport('OPENAI', options)),
    ANTHROPIC: createAnthropic(createTransport('ANTHROPIC', options)),
    GEMINI: createGemini(createTransport('GEMINI', options)),
    MISTRAL: createMistral(createTransport('MISTRAL', options)),
    PERPLEXITY: createPerplexity(createTransport('PERPLEXITY', options)),
    XAI: createXai(createTransport('XAI', options)),
    NOVITA: createNovita(createTransport('NOVITA', options)),
    CUSTOM: createCustom(createTransport('CUSTOM', options)),
  };
}
