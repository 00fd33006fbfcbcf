import type { StoredOptions } from '../db/tables/model.ts';
import { InvalidInputError } from '../errors.ts';
import { findRefusal, notTaken, replaceOptions } from '../models/answer-options.ts';
import type { Model } from '../models/catalogue.ts';
import type { Provider } from '../providers/provider.ts';
import type { RequestedAnswer } from './send-state.ts';

/**
 * The options with which a model is asked. What the person gives comes first, then the options of a variant, then those of an
 * answer that is repeated by another model, which are left out where this model does not take them. Throws InvalidInputError.
 */
export function chooseOptions(
  provider: Provider,
  model: Model,
  { options: given, repeats, path }: RequestedAnswer,
): StoredOptions | null {
  const { options: own, inherited } = optionsOfModel(model, repeats);
  const kept = { ...inherited };
  for (;;) {
    const options = replaceOptions(replaceOptions(kept, own), given);
    const refusal = findRefusal(provider, model, options);
    if (refusal === null) return options;
    const { option } = refusal;
    if (given[option] != null) throw notTaken(model, refusal, path.options);
    if (own[option] != null)
      throw new InvalidInputError(
        path.modelId,
        `${model.title} ${refusal.reason}. Change the options of the variant.`,
      );
    if (kept[option] === undefined) throw new Error(`${option} was refused, which is not set`);
    delete kept[option];
  }
}

/** An answer that is repeated by the same model has the options of the variant already, as far as they were not replaced. */
function optionsOfModel(model: Model, repeats: RequestedAnswer['repeats']) {
  const inherited: StoredOptions = repeats?.options ?? {};
  if (repeats !== null && repeats.modelId === model.id) return { options: {}, inherited };
  return { options: model.options ?? {}, inherited };
}
