/**
 * Does what a link was sent for once the form is sent: by a button, since programs that open the links in mails to look for
 * viruses press none. `send` is given the token of the link and what was filled in, and makes the request.
 */
export function actOnLink({ send, done, sentences, otherwise }) {
  // The token is in the part of the address that browsers send nowhere, and leaves the address bar at once.
  const token = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  // Another link opened in this tab changes nothing but that part, for which no browser loads a page again.
  addEventListener('hashchange', () => location.reload());

  const form = document.querySelector('form');
  const status = document.querySelector('[role=status]');
  if (token === '') {
    end('This page needs the link that you were sent. Open it again.');
    return;
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    button.disabled = true; // a second press would find the link used by the first
    status.textContent = '';
    try {
      const response = await send(token, new FormData(form));
      if (response.ok) {
        end(done);
        return;
      }
      const { code } = await response.json();
      status.textContent = sentences[code] ?? otherwise;
    } catch {
      status.textContent = 'The server cannot be reached. Try again in a few minutes.';
    }
    button.disabled = false;
  });

  function end(sentence) {
    form.remove();
    status.textContent = sentence;
  }
}
