/** Posts to an account endpoint such as `sign-in/email`, as a page of the server does. */
export async function postAccount(
  { url }: { url: string },
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return await fetch(`${url}/api/auth/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url, ...headers },
    body: JSON.stringify(body),
  });
}

/** The header of a person who is signed in with this token. */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
