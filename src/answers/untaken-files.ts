import { InvalidInputError } from '../errors.ts';
import type { KeyDeps } from '../keys/api-key.ts';
import type { Model } from '../models/catalogue.ts';
import type { Thread } from '../threads/thread.ts';
import { suggestedModels } from './find-paying-keys.ts';
import { rulesOf, type UsedFiles } from './sent-files.ts';

/** An answer to a new message, and the input field that names its model. */
interface AskedAnswer {
  model: Model;
  files: UsedFiles;
  path: string;
}

/**
 * Throws InvalidInputError for a new message that is useless to one of the models: an image to one that reads none, or nothing but
 * files of which it gets none. In older messages both are left out, so that a thread can go on with any model.
 */
export async function requireFilesTaken(
  deps: Pick<KeyDeps, 'db' | 'providers'>,
  thread: Thread,
  text: string,
  answers: readonly AskedAnswer[],
): Promise<void> {
  for (const { model, files, path } of answers) {
    const own = files.used.filter(({ file }) => file.messageIds.includes(null));
    const image = own.find(({ file }) => file.attachment.kind === 'IMAGE');
    if (image !== undefined && !readsImages(deps, model))
      throw new InvalidInputError(
        path,
        `"${image.file.attachment.fileName}" is an image, and ${model.title} reads no images. ${await othersThatSee(deps, thread, model)}`,
      );
    const [first] = own;
    if (first === undefined || /\S/.test(text) || own.some(({ use }) => use.use !== 'LEFT_OUT')) continue;
    throw new InvalidInputError(
      path,
      `${model.title} cannot be sent "${first.file.attachment.fileName}". ${first.use.note} Write something as well, or choose another model.`,
    );
  }
}

async function othersThatSee(
  deps: Pick<KeyDeps, 'db' | 'providers'>,
  thread: Thread,
  model: Model,
): Promise<string> {
  const others = await suggestedModels(deps, thread, model, {
    suits: (other) => readsImages(deps, other),
  });
  const titles = [...new Set(others.map(({ title }) => title))];
  if (titles.length === 0) return 'No model here does: leave the image out.';
  return `Choose one that does, such as ${LIST.format(titles.slice(0, MOST_TITLES))}, or leave the image out.`;
}

function readsImages(deps: Pick<KeyDeps, 'providers'>, model: Model): boolean {
  return rulesOf(deps, model).images !== null;
}

const LIST = new Intl.ListFormat('en', { type: 'disjunction' });
const MOST_TITLES = 3;
