import { createAnthropic } from './anthropic.ts';
import { createCustom } from './custom.ts';
import { createGemini } from './gemini.ts';
import { createMistral } from './mistral.ts';
import { createNovita } from './novita.ts';
import { createOpenAi } from './openai.ts';
import { createPerplexity } from './perplexity.ts';
import type { Provider, ProviderName } from './provider.ts';
import { createTransport, type TransportOptions } from './transport.ts';
import { createXai } from './xai.ts';

/** Every provider by its name, in the order in which they are shown. */
export type Providers = Readonly<Record<ProviderName, Provider>>;

/** Creates all providers over one way out. */
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
