import { cleanCount, sanitizeText } from '../providers/clean-facts.ts';
import type { ListedModel } from '../providers/provider.ts';

/**
 * The part of a provider's list that can be stored and shown: the first two thousand models. One whose name would have to be
 * changed for that is left out, since asking for the changed name would ask for another model.
 */
export function cleanModels(listed: readonly ListedModel[]): ListedModel[] {
  return listed
    .filter(({ name }) => sanitizeText(name, MAX_NAME_LENGTH) === name)
    .slice(0, MAX_LISTED_MODELS)
    .map((model) => ({
      ...model,
      title: sanitizeText(model.title, MAX_TITLE_LENGTH) || model.name,
      contextWindow: cleanCount(model.contextWindow),
      maxOutputTokens: cleanCount(model.maxOutputTokens),
    }));
}

const MAX_LISTED_MODELS = 2_000; // gateways list hundreds; one statement takes 65,535 parameters, eleven for each model
const MAX_NAME_LENGTH = 200; // with the base URL it must fit into an entry of an index
const MAX_TITLE_LENGTH = 200;
