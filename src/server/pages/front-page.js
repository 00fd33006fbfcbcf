const forms = {
  signUp: document.querySelector('#sign-up'),
  signIn: document.querySelector('#sign-in'),
  forgotPassword: document.querySelector('#forgot-password'),
};
const isSignUpOpen = document.body.dataset.signUp === 'open';
const sendsMail = document.body.dataset.mail === 'on';

forms.signUp.addEventListener('submit', (event) => submit(event, '/api/auth/sign-up/email'));
forms.signIn.addEventListener('submit', (event) => submit(event, '/api/auth/sign-in/email'));
forms.forgotPassword.addEventListener('submit', askForLink);
document.querySelector('#sign-out').addEventListener('click', signOut);
addEventListener('hashchange', showForm);

const session = await call('/api/auth/get-session');
if (session.ok && session.content !== null) showPerson(session.content.user);
else showForm();

/** Sends a form and shows who is signed in, or what to do about it. */
async function submit(event, path) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector('button');
  const problem = form.querySelector('.problem');
  problem.textContent = '';
  button.disabled = true;
  const { ok, content } = await call(path, Object.fromEntries(new FormData(form)));
  button.disabled = false;
  if (ok) {
    form.reset();
    showPerson(content.user);
    document.querySelector('#signed-in h2').focus();
    return;
  }
  problem.textContent =
    SENTENCES[content?.code] ?? 'The server did not answer as expected. Try again in a moment.';
  form.querySelector('input[type=password]').select();
}

/** The answer is the same whether or not there is such an account, so that nobody learns who has one. */
async function askForLink(event) {
  event.preventDefault();
  const form = event.target;
  const [button, problem, done] = ['button', '.problem', '.done'].map((part) => form.querySelector(part));
  problem.textContent = '';
  done.textContent = '';
  button.disabled = true;
  const { ok, content } = await call(
    '/api/auth/request-password-reset',
    Object.fromEntries(new FormData(form)),
  );
  button.disabled = false;
  if (ok) done.textContent = 'If there is an account with this address, a link is on its way to it.';
  else
    problem.textContent =
      SENTENCES[content?.code] ?? 'The server did not answer as expected. Try again in a moment.';
}

async function signOut() {
  await call('/api/auth/sign-out', {});
  // What was written in GraphiQL, a key perhaps, is not for whoever sits here next.
  for (const key of Object.keys(sessionStorage))
    if (/^(graphiql|latchkey):/.test(key)) sessionStorage.removeItem(key);
  showForm();
}

function showPerson({ name, email }) {
  document.querySelector('#name').textContent = name;
  document.querySelector('#email').textContent = email;
  show(document.querySelector('#signed-in'));
}

function showForm() {
  const form = chooseForm();
  // The address that was written in one form need not be written again in the next.
  const [before] = Object.values(forms).filter(({ hidden }) => !hidden);
  if (before !== undefined && before !== form) form.email.value ||= before.email.value;
  show(form);
  // A touch screen would open its keyboard, and a form out of sight would scroll past what the page says.
  const isInSight = form.getBoundingClientRect().bottom <= innerHeight;
  if (isInSight && matchMedia('(pointer: fine)').matches)
    form.querySelector('input').focus({ preventScroll: true });
}

function chooseForm() {
  if (location.hash === '#forgot-password' && sendsMail) return forms.forgotPassword;
  return location.hash !== '#sign-in' && isSignUpOpen ? forms.signUp : forms.signIn;
}

function show(shown) {
  for (const part of document.querySelectorAll('#sign-up, #sign-in, #forgot-password, #signed-in'))
    part.hidden = part !== shown;
}

/** Posts JSON, or gets it without a body. A network that is down is an answer like any other. */
async function call(path, body) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  try {
    const response = await fetch(path, body === undefined ? {} : init);
    return { ok: response.ok, content: await response.json() };
  } catch {
    return { ok: false, content: { code: 'NETWORK' } };
  }
}

const SENTENCES = {
  NETWORK: 'The server could not be reached. Check that it is running, then try again.',
  INVALID_EMAIL_OR_PASSWORD: 'No account has this email and password. Check both, then try again.',
  INVALID_EMAIL: 'This is not an email address.',
  VALIDATION_ERROR: 'This is not an email address.',
  USER_ALREADY_EXISTS: 'There is an account with this email already. Sign in instead.',
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: 'There is an account with this email already. Sign in instead.',
  PASSWORD_TOO_SHORT: 'The password is too short. It needs at least 8 characters.',
  PASSWORD_TOO_LONG: 'The password is too long. It may have at most 128 characters.',
  SIGN_UP_CLOSED: 'Sign-up is closed on this server. Its operator can make you an account.',
  RATE_LIMITED: 'Too many tries. Wait a little, then try again.',
  ACCOUNT_DISABLED: 'This account is disabled. Ask the operator of this server.',
  INVALID_ORIGIN:
    'This server expects to be opened at another address. Ask its operator which, or set LATCHKEY_PUBLIC_URL.',
};
