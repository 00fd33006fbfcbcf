import { NotFoundError } from '../errors.ts';
import type { Account, AccountInput, EndedSessions } from '../workspaces/control-account.ts';

/** The running server refused a command. The message says why and what to do. */
export class ServerRefusalError extends Error {
  override readonly name = 'ServerRefusalError';
  readonly exitCode = 1;
}

/** GraphQL client of a running server, with its operator token. Needed because one process alone can open an embedded database. */
export class OperatorClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async *accounts(): AsyncGenerator<Account> {
    for (let after: string | null = null; ; ) {
      const page: AccountPage | null = await this.#send(ACCOUNTS, { after });
      if (page === null) throw this.#notOperator();
      for (const account of page.nodes) yield withDates(account);
      if (!page.pageInfo.hasNextPage) return;
      after = page.pageInfo.endCursor;
    }
  }

  async setDisabled(who: AccountInput, isDisabled: boolean): Promise<EndedSessions> {
    const payload = await this.#mutate<WireEnded>(isDisabled ? DISABLE : ENABLE, who);
    return { endedSessionCount: payload.endedSessionCount ?? 0, account: withDates(payload.account) };
  }

  async signOut(who: AccountInput): Promise<EndedSessions> {
    const payload = await this.#mutate<WireEnded>(SIGN_OUT, who);
    return { endedSessionCount: payload.endedSessionCount ?? 0, account: withDates(payload.account) };
  }

  async createPasswordReset(who: AccountInput): Promise<{ account: Account; url: string }> {
    const { account, url } = await this.#mutate<{ account: WireAccount; url: string }>(RESET, who);
    return { account: withDates(account), url };
  }

  async #mutate<Payload>(query: string, input: AccountInput): Promise<Payload> {
    const result = await this.#send<Payload & { code?: string; message?: string }>(query, { input });
    if (result.code === undefined) return result;
    if (result.code === 'NOT_FOUND') throw new NotFoundError('user');
    if (result.code === 'NOT_PERMITTED') throw this.#notOperator();
    throw new ServerRefusalError(`The server at ${this.#url} refused: ${result.message}`);
  }

  /** The value of the document's only field. */
  async #send<Value>(query: string, variables: object): Promise<Value> {
    let result: { data?: Record<string, Value> | null; errors?: { message: string }[] };
    try {
      const response = await fetch(`${this.#url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-latchkey-operator-token': this.#token },
        body: JSON.stringify({ query, variables }),
        redirect: 'error', // the token is for this address alone
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      result = (await response.json()) as typeof result;
    } catch {
      throw new ServerRefusalError(
        `The server that uses the data folder does not answer at ${this.#url}. If it runs in another container, run the command there.`,
      );
    }
    if (result.data != null) return Object.values(result.data)[0] as Value;
    throw new ServerRefusalError(`The server at ${this.#url} refused: ${result.errors?.[0]?.message}`);
  }

  #notOperator(): ServerRefusalError {
    return new ServerRefusalError(
      `The server at ${this.#url} does not accept this operator token. Start it with the same LATCHKEY_OPERATOR_TOKEN_FILE, or stop it first.`,
    );
  }
}

/** An account in JSON, where times are strings. */
type WireAccount = Omit<Account, 'createdAt' | 'disabledAt'> & {
  createdAt: string;
  disabledAt: string | null;
};

interface WireEnded {
  account: WireAccount;
  endedSessionCount?: number;
}

interface AccountPage {
  nodes: WireAccount[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

function withDates({ createdAt, disabledAt, ...account }: WireAccount): Account {
  return {
    ...account,
    createdAt: new Date(createdAt),
    disabledAt: disabledAt === null ? null : new Date(disabledAt),
  };
}

const ACCOUNT = 'account { userId email name createdAt disabledAt openSessionCount }';
const ERRORS = '... on UserError { code message }';

const ACCOUNTS = `query Accounts($after: String) {
  accounts(first: 100, after: $after) {
    nodes { userId email name createdAt disabledAt openSessionCount }
    pageInfo { hasNextPage endCursor }
  }
}`;
const DISABLE = `mutation DisableUser($input: DisableUserInput!) {
  disableUser(input: $input) { ... on DisableUserPayload { ${ACCOUNT} endedSessionCount } ${ERRORS} }
}`;
const ENABLE = `mutation EnableUser($input: EnableUserInput!) {
  enableUser(input: $input) { ... on EnableUserPayload { ${ACCOUNT} } ${ERRORS} }
}`;
const SIGN_OUT = `mutation SignOutUser($input: SignOutUserInput!) {
  signOutUser(input: $input) { ... on SignOutUserPayload { ${ACCOUNT} endedSessionCount } ${ERRORS} }
}`;
const RESET = `mutation CreatePasswordReset($input: CreatePasswordResetInput!) {
  createPasswordReset(input: $input) { ... on CreatePasswordResetPayload { ${ACCOUNT} url } ${ERRORS} }
}`;

const ANSWER_TIMEOUT_MS = 30_000; // a server under load is slow
