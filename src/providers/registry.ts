import { createAnthropic } from './adapters/anthropic.ts';
import { createCustom } from './adapters/custom.ts';
import { createGemini } from './adapters/gemini.ts';
import { createMistral } from './adapters/mistral.ts';
import { createNovita } from './adapters/novita.ts';
import { createOpenAi } from './adapters/openai.ts';
import { createPerplexity } from './adapters/perplexity.ts';
import { createXai } from './adapters/xai.ts';
import { createTransport, type Transport, type TransportOptions } from './http/transport.ts';
import type { Provider, ProviderName } from './provider.ts';

/** Every provider by its name, in the order in which they are shown. */
export type Providers = Readonly<Record<ProviderName, ConnectedProvider>>;

/** A provider with the connections over which its adapter calls it. */
export type ConnectedProvider = Provider & Pick<Transport, 'connectAhead'>;

/** Creates all providers over one HTTP client. */
export function createProviders(options: TransportOptions): Providers {
  function connected(name: ProviderName, create: (transport: Transport) => Provider): ConnectedProvider {
    const transport = createTransport(name, options);
    return { ...create(transport), connectAhead: transport.connectAhead };
  }

  return {
    OPENAI: connected('OPENAI', createOpenAi),
    ANTHROPIC: connected('ANTHROPIC', createAnthropic),
    GEMINI: connected('GEMINI', createGemini),
    MISTRAL: connected('MISTRAL', createMistral),
    PERPLEXITY: connected('PERPLEXITY', createPerplexity),
    XAI: connected('XAI', createXai),
    NOVITA: connected('NOVITA', createNovita),
    CUSTOM: connected('CUSTOM', createCustom),
  };
}
