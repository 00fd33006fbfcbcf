import type { StoredOptions } from '../db/tables/model.ts';
import { InvalidInputError } from '../errors.ts';
import {
  type AnswerOptions,
  findRefusedOption,
  NO_OPTIONS,
  type OptionName,
  type OptionRefusal,
  type OptionSupport,
} from '../providers/options.ts';
import type { Provider } from '../providers/provider.ts';
import { type Model, toAskedModel } from './catalogue.ts';

/** Options as a person gave them. One that is absent stays as it was; one that is null is left to the provider. */
export type GivenOptions = { [Name in OptionName]?: AnswerOptions[Name] | undefined };

/**
 * The given options, checked for what no provider takes. Throws InvalidInputError that names the option below `path`; what a
 * single model takes is checked by `requireTaken`.
 */
export function checkOptions(path: string, given: GivenOptions): GivenOptions {
  const options = { ...given };
  const { systemPrompt, stop } = given;
  if (systemPrompt != null) options.systemPrompt = checkSystemPrompt(`${path}.systemPrompt`, systemPrompt);
  if (stop != null) options.stop = checkStop(`${path}.stop`, stop);
  for (const name of ['temperature', 'topP', 'maxOutputTokens'] as const) {
    const value = given[name];
    const least = name === 'maxOutputTokens' ? 1 : 0;
    if (value != null && !(value >= least))
      throw new InvalidInputError(`${path}.${name}`, `${name} is ${least} or more.`);
  }
  return options;
}

function checkSystemPrompt(path: string, text: string): string | null {
  if (!text.isWellFormed() || text.includes('\0'))
    throw new InvalidInputError(path, 'A system prompt is text, without NUL characters or halves of others.');
  if (Buffer.byteLength(text) > MAX_SYSTEM_PROMPT_BYTES)
    throw new InvalidInputError(path, 'The system prompt is longer than 64 KiB. Shorten it.');
  return text.trim() === '' ? null : text;
}

function checkStop(path: string, stop: readonly string[]): readonly string[] | null {
  if (stop.length > MAX_STOP_WORDS)
    throw new InvalidInputError(path, `Give at most ${MAX_STOP_WORDS} stop words.`);
  for (const [index, word] of stop.entries())
    if (word.length < 1 || word.length > MAX_STOP_WORD_LENGTH || word.includes('\0') || !word.isWellFormed())
      throw new InvalidInputError(
        `${path}.${index}`,
        `A stop word is text of 1 to ${MAX_STOP_WORD_LENGTH} characters.`,
      );
  return stop.length === 0 ? null : stop;
}

/** These options with others in their place, field by field. */
export function replaceOptions(options: StoredOptions | null, others: GivenOptions): StoredOptions | null {
  const given = Object.entries(others).filter(([, value]) => value !== undefined);
  const merged = Object.entries({ ...options, ...Object.fromEntries(given) });
  const set = merged.filter(([, value]) => value !== null);
  return set.length === 0 ? null : Object.fromEntries(set);
}

/** Stored options with null for those that are left to the provider. */
export function toAnswerOptions(stored: StoredOptions | null): AnswerOptions {
  return { ...NO_OPTIONS, ...stored };
}

/** Which options the model takes. */
export function optionSupportOf(provider: Provider, model: Model): OptionSupport {
  return provider.optionSupport(toAskedModel(model));
}

/** The first option that the model does not take; null if it takes them all. */
export function findRefusal(
  provider: Provider,
  model: Model,
  options: StoredOptions | null,
): OptionRefusal | null {
  return findRefusedOption(provider, toAskedModel(model), toAnswerOptions(options));
}

/** Throws InvalidInputError, which names the option below `path`, if the model does not take one of the options. */
export function requireTaken(
  provider: Provider,
  model: Model,
  options: StoredOptions | null,
  path: string,
): void {
  const refusal = findRefusal(provider, model, options);
  if (refusal !== null) throw notTaken(model, refusal, path);
}

/** The error for an option that the model does not take. */
export function notTaken(model: Model, { option, reason }: OptionRefusal, path: string): InvalidInputError {
  return new InvalidInputError(`${path}.${option}`, `${model.title} ${reason}.`);
}

const MAX_SYSTEM_PROMPT_BYTES = 64 * 1024; // it is sent with every answer, and stored with each
const MAX_STOP_WORDS = 16; // more than any provider takes
const MAX_STOP_WORD_LENGTH = 200;
