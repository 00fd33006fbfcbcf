import { actOnLink } from './link-page.js';

actOnLink({
  send: (token, form) =>
    fetch('/api/auth/reset-password', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, newPassword: form.get('password') }),
    }),
  done: 'The new password is set, and every session has ended. Sign in with it.',
  otherwise: 'The password was not set. Try again in a few minutes.',
  sentences: {
    INVALID_TOKEN: 'This link has been used or has expired. Ask for another one.',
    PASSWORD_TOO_SHORT: 'The password is too short. It needs at least 8 characters.',
    PASSWORD_TOO_LONG: 'The password is too long. It may have at most 128 characters.',
  },
});
