import type { ModelCapability, OptionSupport, ReasoningEffort } from './options.ts';

/** What this project states about a model by hand; null where it states nothing. A list that states the same goes before. */
export interface ManualFacts {
  capabilities: Stated<readonly ModelCapability[]> | null;
  efforts: Stated<Efforts> | null;
}

/** A fact, and the day on which the provider's documentation was seen to say so: YYYY-MM-DD. */
export interface Stated<Value> {
  value: Value;
  asOf: string;
}

export type Efforts = Pick<OptionSupport, 'efforts' | 'defaultEffort'>;

/** An entry of a provider's table of facts that its list does not state. */
export interface ManualEntry {
  /** Names of the models that it is about. */
  models: RegExp;
  /** Day on which the documentation was seen to say so: YYYY-MM-DD. */
  asOf: string;
  capabilities?: readonly ModelCapability[];
  efforts?: readonly ReasoningEffort[];
  /** Effort without the option, where it is known; with `efforts` only. */
  defaultEffort?: ReasoningEffort;
}

/** What a table states about the model of a name: of each fact the first entry that states it. */
export function readManualFacts(table: readonly ManualEntry[], name: string): ManualFacts {
  const entries = table.filter(({ models }) => models.test(name));
  const [capabilities = null] = entries.flatMap(({ capabilities: value, asOf }) =>
    value ? [{ value, asOf }] : [],
  );
  const [efforts = null] = entries.flatMap(({ efforts: value, defaultEffort, asOf }) =>
    value ? [{ value: { efforts: value, defaultEffort: defaultEffort ?? null }, asOf }] : [],
  );
  return { capabilities, efforts };
}

/** Nothing is stated by hand. */
export const NO_MANUAL_FACTS: ManualFacts = { capabilities: null, efforts: null };

/** No effort can be chosen, or it is not known which. */
export const NO_EFFORTS: Efforts = { efforts: [], defaultEffort: null };
