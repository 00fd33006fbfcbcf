import { randomBytes } from 'node:crypto';
import { createSessions } from '../accounts/session.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../db/database.ts';
import { lockDataFolder } from './data-folder.ts';
import { UsageError } from './help.ts';
import { printError, printLine, readPassword } from './terminal.ts';

/** Runs `user add` and returns its exit code. It makes accounts whether or not sign-up is open. */
export async function addUser(
  readSettings: () => Config,
  [action, email]: readonly string[],
  name: string | undefined,
): Promise<0 | 1> {
  if (action !== 'add' || email === undefined || name === undefined)
    throw new UsageError('Write: user add <email> --name <name>.');
  const config = readSettings();
  const release = await lockDataFolder(config);
  try {
    const password = await readPassword(`Password for ${email}: `);
    const { db, close } = await openDatabase(config, printLine);
    try {
      const sessions = createSessions({
        db,
        // It signs only a session that ends three lines below, so any secret will do.
        secret: randomBytes(32).toString('base64'),
        publicUrl: HERE,
        allowedOrigins: [],
        signUp: 'open',
      });
      const response = await sessions.handler(post('/sign-up/email', { email, name, password }));
      const token = response.headers.get('set-auth-token');
      if (token !== null) await sessions.handler(post('/sign-out', {}, token));
      if (response.ok) printLine(`Made an account for ${email}.`);
      else printError(sentenceOf((await response.json()) as { code?: string }));
      return response.ok ? 0 : 1;
    } finally {
      await close();
    }
  } finally {
    await release();
  }
}

const HERE = 'http://localhost';

function post(path: string, body: object, token?: string): Request {
  return new Request(`${HERE}/api/auth${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      origin: HERE,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

function sentenceOf({ code = '' }: { code?: string }): string {
  return SENTENCES[code] ?? `No account was made: ${code || 'the reason is not known'}.`;
}

const SENTENCES: Readonly<Record<string, string>> = {
  USER_ALREADY_EXISTS: 'There is an account with this email address already.',
  USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL: 'There is an account with this email address already.',
  INVALID_EMAIL: 'This is not an email address.',
  VALIDATION_ERROR: 'This is not an email address.',
  PASSWORD_TOO_SHORT: 'The password is too short. It needs at least 8 characters.',
  PASSWORD_TOO_LONG: 'The password is too long. It may have at most 128 characters.',
};
