import { createHash } from 'node:crypto';

/**
 * What identifies a link's row in `verifications`: a hash, so that a copy of the database opens nothing. It is the one by
 * which better-auth looks for the token of a password reset.
 */
export function linkIdentifier(purpose: 'reset-password' | 'change-email', token: string): string {
  return createHash('sha256').update(`${purpose}:${token}`).digest('base64url');
}

/** Address of the page on which the token does what it is for. Browsers send what follows the # to no server. */
export function linkUrl(
  publicUrl: string,
  purpose: 'reset-password' | 'change-email',
  token: string,
): string {
  return `${publicUrl}/${purpose}#${token}`;
}

/** How long a link is good. */
export const LINK_SECONDS = 60 * 60;
