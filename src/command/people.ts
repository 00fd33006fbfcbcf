import { Changes } from '../changes.ts';
import type { Config } from '../config.ts';
import { prefixOf } from '../db/id.ts';
import { NotFoundError } from '../errors.ts';
import {
  type AccountInput,
  createPasswordReset,
  listAccounts,
  setAccountDisabled,
  signOutAccount,
} from '../workspaces/control-account.ts';
import { UsageError } from './help.ts';
import { say, sayWrong } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `user list`, `disable`, `enable`, `sign-out` and `reset-password`, and returns the exit code. */
export async function runPeopleCommand(
  readSettings: () => Config,
  [action, name]: readonly string[],
): Promise<0 | 1> {
  const isList = action === 'list';
  if (isList && name !== undefined) throw new UsageError(`"${name}" is one word too many.`);
  if (!isList && !ACTIONS.includes(action ?? ''))
    throw new UsageError(`user needs one of: add, list, ${ACTIONS.join(', ')}.`);
  if (!isList && name === undefined)
    throw new UsageError(`user ${action} needs an email or the id of a user.`);
  const config = readSettings();
  return await withSealedData(config, async ({ db, roots }) => {
    // A server that runs beside this finds the change when it looks, within a second.
    const deps = { db, roots, changes: new Changes() };
    try {
      if (name === undefined) await sayAll(deps);
      else say(await act(deps, config, action ?? '', name));
      return 0;
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      sayWrong(`There is no account ${name}.`);
      return 1;
    }
  });
}

const ACTIONS = ['disable', 'enable', 'sign-out', 'reset-password'];

async function act(
  deps: Parameters<typeof signOutAccount>[0],
  config: Config,
  action: string,
  name: string,
): Promise<string> {
  const who: AccountInput = prefixOf(name) === 'usr' ? { userId: name } : { email: name };
  if (action === 'reset-password') {
    const { userId, email, token } = await createPasswordReset(deps, who);
    const url = config.publicUrl ?? `http://${config.host}:${config.port}`;
    return `${email} (${userId}) can set a new password once, within an hour, at ${url}/reset-password#${token}`;
  }
  if (action === 'sign-out') {
    const { userId, email, endedSessions } = await signOutAccount(deps, who);
    return `${email} (${userId}) is signed out everywhere: ${counted(endedSessions)} ended.`;
  }
  const { userId, email, isDisabled, endedSessions } = await setAccountDisabled(
    deps,
    who,
    action === 'disable',
  );
  if (!isDisabled) return `${email} (${userId}) is enabled and can sign in.`;
  return `${email} (${userId}) is disabled: ${counted(endedSessions)} ended.`;
}

async function sayAll(deps: Parameters<typeof listAccounts>[0]): Promise<void> {
  for (const { userId, email, name, createdAt, disabledAt, openSessions } of await listAccounts(deps)) {
    const state = disabledAt === null ? counted(openSessions) : `disabled since ${disabledAt.toISOString()}`;
    say(`${userId}  ${email}  ${name}  since ${createdAt.toISOString().slice(0, 10)}  ${state}`);
  }
}

function counted(sessions: number): string {
  return `${sessions} ${sessions === 1 ? 'session' : 'sessions'}`;
}
