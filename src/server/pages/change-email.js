// The token is in the part of the address that browsers send nowhere, and leaves the address bar at once.
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');

// By a button: programs that open the links in mails to look for viruses press none.
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    const path = `/api/auth/verify-email?token=${encodeURIComponent(token)}`;
    // The link says whose account it is; somebody else may be signed in to this browser.
    const response = await fetch(path, { credentials: 'omit' });
    if (response.ok) {
      form.remove();
      status.textContent = 'Done. Sign in with this address from now on.';
      return;
    }
    const { code } = await response.json();
    status.textContent = SENTENCES[code] ?? 'Nothing was changed. Try again in a few minutes.';
  } catch {
    status.textContent = 'The server cannot be reached. Try again in a few minutes.';
  }
});

const SENTENCES = {
  INVALID_TOKEN: 'This link has been used, was taken back or has expired. Ask for another one.',
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: 'There is another account with this address. Nothing was changed.',
};
