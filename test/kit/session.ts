import { type Person, personOf } from './person.ts';

/** The same person with a session of its own, and the cookie that a browser would have for it. */
export async function signIn({ url, email }: Person): Promise<{ person: Person; cookie: string }> {
  const response = await fetch(`${url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({ email, password: 'correct horse battery' }),
  });
  return {
    person: await personOf(url, email, response.headers.get('set-auth-token') ?? ''),
    cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '',
  };
}
