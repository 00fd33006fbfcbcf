import { InvalidInputError } from '../errors.ts';
import { sanitizeLine } from '../sanitize-line.ts';

/** A name for a workspace or a team, fit to be stored. Throws InvalidInputError. */
export function checkName(text: string): string {
  const name = sanitizeLine(text);
  if (name.length >= 1 && name.length <= MAX_NAME_LENGTH) return name;
  throw new InvalidInputError([
    { path: 'name', message: `A name has between 1 and ${MAX_NAME_LENGTH} characters.` },
  ]);
}

const MAX_NAME_LENGTH = 100;
