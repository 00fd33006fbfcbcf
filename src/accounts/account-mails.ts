import type { Mail } from '../mail.ts';

/** The mail with the link that sets a new password. */
export function passwordResetMail(to: string, url: string): Mail {
  return {
    purpose: 'password-reset',
    to,
    subject: 'Latchkey: set a new password',
    text: `A new password was requested for the account with this address at ${new URL(url).origin}.

Set one here, within an hour:

${url}

The link works once. All sessions of the account end when the password is set.

If you did not ask for it, do nothing: the password stays as it is.
`,
  };
}

/** The mail to a new address, with the link that proves that its reader asked for the change. */
export function emailChangeMail(to: string, url: string): Mail {
  return {
    purpose: 'email-change',
    to,
    subject: 'Latchkey: confirm this address',
    text: `A person with an account at ${new URL(url).origin} wants to sign in with this address in place of their old one.

Confirm it here, within an hour:

${url}

The link works once. If it was not you, do nothing: nothing changes.
`,
  };
}

/** The mail to the address that is about to be replaced: its reader may not be the person who asked for the change. */
export function emailChangeNotice(to: string, publicUrl: string): Mail {
  return {
    purpose: 'email-change-notice',
    to,
    subject: 'Latchkey: your address is about to be changed',
    text: `A person who is signed in to your account at ${publicUrl}, and knows its password, asked to sign in with another address
from now on. It changes when they confirm that address, within an hour.

If it was not you, set a new password at once: that takes the link back and ends all sessions.
`,
  };
}
