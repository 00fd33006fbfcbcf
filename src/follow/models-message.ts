import { counted } from '../counted.ts';
import type { ProviderName } from '../providers/provider.ts';
import type { ModelNews, ModelNotice } from './model-news.ts';
import type { ModelFacts } from './model-view-cache.ts';

/**
 * What members should know to choose another model: which are gone or will be shut down, and which providers' models cannot be
 * asked now. Says nothing of whose keys they are or what is wrong with them. Null if there is nothing to say. Variants are not
 * named, since their base model is.
 */
export function modelsMessage(
  { removed, shuttingDown, unavailable }: Pick<ModelNews, 'removed' | 'shuttingDown' | 'unavailable'>,
  titleOf: (provider: ProviderName) => string,
): string | null {
  const sentences = [
    ...few(removed.filter(isGone).filter(isBase), goneSentence, 'cannot be asked any more'),
    ...few(shuttingDown.filter(isBase), shutdownSentence, 'will be shut down soon'),
    ...unavailableSentence(unavailable, titleOf),
  ];
  return sentences.length === 0 ? null : sentences.join(' ');
}

/** A sentence for each of the first models, and one for all others. */
function few(
  models: readonly ModelNotice[],
  sentenceOf: (model: ModelNotice) => string,
  predicate: string,
): string[] {
  const others = models.length - MOST_NAMED;
  const rest = others > 0 ? [`${counted(others, 'other model')} ${predicate}.`] : [];
  return [...models.slice(0, MOST_NAMED).map(sentenceOf), ...rest];
}

function goneSentence(model: ModelNotice): string {
  const { title, shutdown, shutdownAt } = model;
  const isShutDown = shutdown === 'past' && shutdownAt !== null;
  const what = isShutDown ? `was shut down on ${dayOf(shutdownAt)}` : 'is no longer offered';
  return `${title} ${what}. ${adviceFor(model)}`;
}

function shutdownSentence(model: ModelNotice): string {
  const { title, shutdownAt } = model;
  const when = shutdownAt === null ? 'soon' : `on ${dayOf(shutdownAt)}`;
  return `${title} will be shut down ${when}. ${adviceFor(model)}`;
}

function adviceFor({ replacement }: ModelNotice): string {
  return replacement === null ? 'Choose another model.' : `Use ${replacement.title}.`;
}

function unavailableSentence(
  models: readonly ModelFacts[],
  titleOf: (provider: ProviderName) => string,
): string[] {
  if (models.length === 0) return [];
  const titles = [...new Set(models.map(({ provider }) => provider))].map(titleOf);
  return [
    `Some ${LIST.format(titles)} models cannot be used at the moment. Those who manage the keys can see why.`,
  ];
}

/** Whether the provider does not run it any more, as against a key that is gone. */
const isGone = ({ isDelisted, shutdown }: ModelFacts) => isDelisted || shutdown === 'past';
const isBase = ({ baseModelId }: ModelFacts) => baseModelId === null;

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

const LIST = new Intl.ListFormat('en');
const MOST_NAMED = 3; // it is shown for a few seconds
