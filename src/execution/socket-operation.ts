import type { ExecutionArgs, GraphQLError } from 'graphql';
import type { Viewer } from '../accounts/session.ts';
import type { Variables } from './cost.ts';
import { maskError } from './mask-error.ts';
import type { Pipeline } from './pipeline.ts';
import { type Shares, subscribeInTurn } from './turns.ts';
import type { Place } from './unread-bytes.ts';

/** An operation as a client sends it. */
interface OperationParams {
  query: string;
  operationName?: string | null | undefined;
  variables?: Variables | null | undefined;
}

/**
 * Prepares an operation that a client sent over a socket, or returns the errors to send instead. Never rejects: graphql-ws
 * would close the socket with all its other operations.
 */
export async function prepareOperation(
  pipeline: Pipeline,
  viewer: Viewer,
  params: OperationParams,
  place: Place | undefined,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  try {
    const subject = viewer.id;
    const { schema, execute, contextFactory, parse, validate } = pipeline.getEnveloped({
      viewer,
      subject,
      place,
      params,
    });
    const document = parse(params.query);
    const errors = validate(schema, document);
    if (errors.length > 0) return errors;
    return {
      schema,
      document,
      operationName: params.operationName,
      variableValues: params.variables,
      contextValue: await contextFactory(),
      rootValue: { execute },
    };
  } catch (error) {
    return [maskError(error)];
  }
}

/** Runs a query or mutation that Yoga prepared. Never rejects either. */
export async function executeOperation(args: ExecutionArgs) {
  try {
    return await (args.rootValue as Pick<ReturnType<Pipeline['getEnveloped']>, 'execute'>).execute(args);
  } catch (error) {
    return { errors: [maskError(error)] };
  }
}

/** Begins a subscription, without Yoga, which would wrap every event. Never rejects either. */
export async function subscribeOperation(shares: Shares, args: ExecutionArgs) {
  try {
    return await subscribeInTurn(shares, { ...args, rootValue: undefined });
  } catch (error) {
    return { errors: [maskError(error)] };
  }
}
