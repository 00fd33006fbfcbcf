import { actOnLink } from './link-page.js';

actOnLink({
  // The link says whose account it is; somebody else may be signed in to this browser.
  send: (token) =>
    fetch(`/api/auth/verify-email?token=${encodeURIComponent(token)}`, { credentials: 'omit' }),
  done: 'Done. Sign in with this address from now on.',
  otherwise: 'Nothing was changed. Try again in a few minutes.',
  sentences: {
    INVALID_TOKEN: 'This link has been used, was taken back or has expired. Ask for another one.',
    USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: 'There is another account with this address. Nothing was changed.',
  },
});
