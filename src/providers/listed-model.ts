import type { ListedModel } from './provider.ts';

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
