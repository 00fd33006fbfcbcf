// The token is in the part of the address that browsers send nowhere, and leaves the address bar at once.
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const newPassword = new FormData(form).get('password');
  try {
    const response = await fetch('/api/auth/reset-password', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, newPassword }),
    });
    if (response.ok) {
      form.remove();
      status.textContent = 'The new password is set, and every session has ended. Sign in with it.';
      return;
    }
    const { code } = await response.json();
    status.textContent = SENTENCES[code] ?? 'The password was not set. Try again in a few minutes.';
  } catch {
    status.textContent = 'The server cannot be reached. Try again in a few minutes.';
  }
});

const SENTENCES = {
  INVALID_TOKEN: 'This link has been used or has expired. Ask for another one.',
  PASSWORD_TOO_SHORT: 'The password is too short. It needs at least 8 characters.',
  PASSWORD_TOO_LONG: 'The password is too long. It may have at most 128 characters.',
};
