import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { OperatorToken } from '../accounts/operator-token.ts';

/**
 * Whether a request comes from whoever runs this server. Sockets never do: a program of the operator has no use for one.
 * Throws RATE_LIMITED after too many wrong tokens.
 */
export function isFromOperator(request: IncomingMessage, token: OperatorToken, address: string): boolean {
  const given = request.headers['x-latchkey-operator-token'];
  if (given === undefined) return false;
  const { isRight, retryAt } = token.judge(String(given), address);
  if (retryAt === null) return isRight;
  const seconds = Math.max(1, Math.ceil((retryAt.getTime() - Date.now()) / 1_000));
  throw new GraphQLError(
    'Too many wrong operator tokens. Correct the token, wait a little, then try again.',
    {
      extensions: {
        code: 'RATE_LIMITED',
        http: { status: 429, headers: { 'retry-after': String(seconds) } },
      },
    },
  );
}
