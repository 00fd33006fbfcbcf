import { UNSHOWABLE } from '../sanitize-line.ts';

/**
 * Checks the fields of a request to an account endpoint. Returns a sentence about the first wrong field, null if there is
 * none. better-auth stores any value of the right type, and deletes an account or changes its email without its password.
 */
export function validateAccountInput(path: string, input: Readonly<Record<string, unknown>>): string | null {
  if ((path === '/delete-user' || path === '/change-email') && !input.password)
    return 'Give the password of the account in `password`.';
  for (const [field, value] of Object.entries(input)) {
    if (typeof value !== 'string' || PASSWORDS.includes(field)) continue;
    if (value.search(UNSHOWABLE) !== -1) return `${field} has a control character. Leave it out.`;
  }
  if (isLonger(input.name, MAX_NAME_LENGTH)) return `A name has at most ${MAX_NAME_LENGTH} characters.`;
  if (typeof input.name === 'string' && input.name.trim() === '') return 'A name has at least one character.';
  if (isLonger(input.email, MAX_EMAIL_LENGTH) || isLonger(input.newEmail, MAX_EMAIL_LENGTH))
    return `An email has at most ${MAX_EMAIL_LENGTH} characters.`;
  if (input.image != null) return 'Accounts have no image. Leave the field out.';
  return null;
}

function isLonger(value: unknown, length: number): boolean {
  return typeof value === 'string' && value.length > length;
}

/** Not checked for control characters, since only hashes of them are stored. */
const PASSWORDS = ['password', 'currentPassword', 'newPassword'];
const MAX_NAME_LENGTH = 100;
/** The limit of SMTP. */
export const MAX_EMAIL_LENGTH = 254;
