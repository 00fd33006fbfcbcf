import { ProviderError } from './failure/failure.ts';
import { asObject, asObjects, type JsonObject } from './json.ts';
import type { ListedModel, ProviderCall } from './provider.ts';

/**
 * The entries of a list of models in any known envelope: a bare array (Together), `data`, `models` or `result`. Bare names become
 * objects with an `id`. An envelope that is null is an empty list (Ollama, before a model is pulled). Reads the first five
 * thousand. Throws PROVIDER_ERROR for JSON that is no list, which must not count as an empty one.
 */
export function listEntries(json: unknown): JsonObject[] {
  if (Array.isArray(json)) {
    const entries = json.slice(0, MOST_ENTRIES);
    const isOfNames = entries.every((entry) => typeof entry === 'string');
    return isOfNames ? entries.map((id) => ({ id })) : asObjects(entries);
  }
  const root = asObject(json) ?? {};
  const lists = ENVELOPES.map((name) => root[name]).filter((list) => list === null || Array.isArray(list));
  // llama.cpp fills two of them, in two forms.
  const list = lists.find((each) => Array.isArray(each) && each.length > 0) ?? lists[0];
  if (list !== undefined) return Array.isArray(list) ? listEntries(list) : [];
  const inner = asObject(root.data) ?? asObject(root.result);
  if (inner !== null) return listEntries(inner);
  throw new ProviderError('PROVIDER_ERROR');
}

// Two thousand models are stored at most, and entries that cannot chat may come between them.
const MOST_ENTRIES = 5_000;

const ENVELOPES = ['data', 'models', 'result'];

/** One page of a list, and the cursor of the next one; null after the last. */
export interface ListPage {
  models: readonly ListedModel[];
  next: string | null;
}

/**
 * The models of every page. If a later page fails or takes too long, returns those of the pages before. Throws the error of the
 * first page, and the signal's reason.
 */
export async function readPages(
  call: ProviderCall,
  readPage: (call: ProviderCall, after: string | null) => Promise<ListPage>,
): Promise<ListedModel[]> {
  const first = await readPage(call, null);
  const models = [...first.models];
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(LATER_PAGES_MS)]);
  let { next } = first;
  for (let page = 1; next !== null && page < MOST_PAGES; page++) {
    try {
      const later = await readPage({ ...call, signal }, next);
      models.push(...later.models);
      next = later.next;
    } catch (error) {
      call.signal.throwIfAborted();
      if (error instanceof ProviderError || signal.aborted) break;
      throw error;
    }
  }
  return models;
}

// A page holds a thousand models; the limit is for a server that announces further pages for ever.
const MOST_PAGES = 20;
// A person is waiting, and the first page has taken most of the time.
const LATER_PAGES_MS = 5_000;

/** A listed model by its name, with further facts from the provider's list. */
export function listedModel(name: string, known: Partial<ListedModel> = {}): ListedModel {
  return {
    name,
    title: name,
    standsFor: null,
    contextWindow: null,
    maxOutputTokens: null,
    capabilities: [],
    price: null,
    optionFacts: null,
    shutdownAt: null,
    replacementName: null,
    ...known,
  };
}

/** The models in the same order, each name once. */
export function withoutDuplicates(models: readonly ListedModel[]): ListedModel[] {
  return [...new Map(models.toReversed().map((model) => [model.name, model])).values()].toReversed();
}
