import { ProviderError } from './failure/failure.ts';
import { asObject, asObjects, type JsonObject } from './json.ts';
import type { ListedModel, ProviderCall } from './provider.ts';

/**
 * The entries of a list of models, in whichever envelope they come: a bare array (Together), `data`, `models` or `result`,
 * names alone as objects with an `id`. An envelope that is null is an empty list (Ollama, before a model is
 * pulled). Looks at the first five thousand. Throws PROVIDER_ERROR for JSON that is no list: what says nothing must not be taken for "there are none".
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

// Two thousand models are stored at most, and others may stand between them.
const MOST_ENTRIES = 5_000;

const ENVELOPES = ['data', 'models', 'result'];

/** One page of a list, and what leads to the next one; null after the last. */
export interface ListPage {
  models: readonly ListedModel[];
  next: string | null;
}

/**
 * The models of every page. When a later page fails or is too long in coming, those before it are all that is known, and
 * better than none. Throws what the first page throws, and the signal's reason.
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

// A page holds a thousand models; the bound is for a server that says "more" for ever.
const MOST_PAGES = 20;
// A person waits, and most of their patience is for the first page.
const LATER_PAGES_MS = 5_000;

/** A listed model of which only the name is known yet; give what the provider's list says beyond it. */
export function listedModel(name: string, known: Partial<ListedModel> = {}): ListedModel {
  return {
    name,
    title: name,
    contextWindow: null,
    maxOutputTokens: null,
    capabilities: [],
    price: null,
    ...known,
  };
}

/** The models in order, each name once. */
export function withoutDuplicates(models: readonly ListedModel[]): ListedModel[] {
  return [...new Map(models.toReversed().map((model) => [model.name, model])).values()].toReversed();
}
