import { linkUrl } from '../accounts/one-time-link.ts';
import { Changes } from '../changes.ts';
import type { Config } from '../config.ts';
import { counted } from '../counted.ts';
import { prefixOf } from '../db/id.ts';
import type { PageInput } from '../db/page.ts';
import { NotFoundError } from '../errors.ts';
import { ConfigError } from '../read-setting.ts';
import { loadOptionalSecret } from '../vault/secret-source.ts';
import {
  type AccountInput,
  createPasswordReset,
  listAccounts,
  setAccountDisabled,
  signOutAccount,
} from '../workspaces/control-account.ts';
import type { PeopleDeps } from '../workspaces/member.ts';
import { DataFolderHeldError } from './data-folder.ts';
import { UsageError } from './help.ts';
import { OperatorClient } from './operator-client.ts';
import { printError, printLine } from './terminal.ts';
import { withSealedData } from './with-sealed-data.ts';

/** Runs `user list`, `disable`, `enable`, `sign-out` and `reset-password`, and returns the exit code. */
export async function runPeopleCommand(
  readSettings: () => Config,
  [action = '', name]: readonly string[],
): Promise<0 | 1> {
  const isList = action === 'list';
  if (isList && name !== undefined) throw new UsageError(`"${name}" is one word too many.`);
  if (!isList && !ACTIONS.includes(action))
    throw new UsageError(`user needs one of: add, list, ${ACTIONS.join(', ')}.`);
  if (!isList && name === undefined)
    throw new UsageError(`user ${action} needs an email or the id of a user.`);
  const config = readSettings();
  try {
    // A server that runs on the same PostgreSQL database finds the change within a second.
    return await withSealedData(config, ({ db, rootKeys }) =>
      run(inDatabase({ db, rootKeys, changes: new Changes() }, config), action, name),
    );
  } catch (error) {
    if (!(error instanceof DataFolderHeldError) || error.serverUrl === null) throw error;
    return await run(await atServer(error.serverUrl, config), action, name);
  }
}

const ACTIONS = ['disable', 'enable', 'sign-out', 'reset-password'];

/** The actions of the commands, done in the database or by asking the server that uses it. */
type AccountControl = Pick<OperatorClient, 'accounts' | 'setDisabled' | 'signOut' | 'createPasswordReset'>;

function inDatabase(deps: PeopleDeps, config: Config): AccountControl {
  return {
    async *accounts() {
      for (let page: PageInput | null = { first: 100 }; page !== null; ) {
        const { rows, hasNextPage, cursorOf } = await listAccounts(deps, page);
        yield* rows;
        const last = rows.at(-1);
        page = hasNextPage && last !== undefined ? { first: 100, after: cursorOf(last) } : null;
      }
    },
    setDisabled: (who, isDisabled) => setAccountDisabled(deps, who, isDisabled),
    signOut: (who) => signOutAccount(deps, who),
    async createPasswordReset(who) {
      const { account, token } = await createPasswordReset(deps, who);
      const publicUrl = config.publicUrl ?? `http://${config.host}:${config.port}`;
      return { account, url: linkUrl(publicUrl, 'reset-password', token) };
    },
  };
}

async function atServer(url: string, config: Config): Promise<AccountControl> {
  const token = await loadOptionalSecret({
    name: 'LATCHKEY_OPERATOR_TOKEN',
    value: config.operatorToken,
    file: config.operatorTokenFile,
  });
  if (token !== null) return new OperatorClient(url, token);
  throw new ConfigError(
    `A server at ${url} is using the data folder ${config.dataDir}. Set LATCHKEY_OPERATOR_TOKEN_FILE to the file with the operator token of that server, so that this command can ask it, or stop it first.`,
  );
}

async function run(control: AccountControl, action: string, name: string | undefined): Promise<0 | 1> {
  try {
    if (name === undefined) await printAll(control);
    else printLine(await act(control, action, name));
    return 0;
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    printError(`There is no account ${name}.`);
    return 1;
  }
}

async function act(control: AccountControl, action: string, name: string): Promise<string> {
  const who: AccountInput = prefixOf(name) === 'usr' ? { userId: name } : { email: name };
  if (action === 'reset-password') {
    const { account, url } = await control.createPasswordReset(who);
    return `${account.email} (${account.userId}) can set a new password once, within an hour, at ${url}`;
  }
  if (action === 'sign-out') {
    const { account, endedSessionCount } = await control.signOut(who);
    return `${account.email} (${account.userId}) is signed out everywhere: ${counted(endedSessionCount, 'session')} ended.`;
  }
  const { account, endedSessionCount } = await control.setDisabled(who, action === 'disable');
  const person = `${account.email} (${account.userId})`;
  if (account.disabledAt === null) return `${person} is enabled and can sign in.`;
  return `${person} is disabled: ${counted(endedSessionCount, 'session')} ended.`;
}

async function printAll(control: AccountControl): Promise<void> {
  for await (const { userId, email, name, createdAt, disabledAt, openSessionCount } of control.accounts()) {
    const state =
      disabledAt === null
        ? counted(openSessionCount, 'session')
        : `disabled since ${disabledAt.toISOString()}`;
    printLine(`${userId}  ${email}  ${name}  since ${createdAt.toISOString().slice(0, 10)}  ${state}`);
  }
}
