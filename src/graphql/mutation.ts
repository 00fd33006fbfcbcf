import type { FieldMap, InputFieldMap, InputObjectRef, InputShapeFromFields, ObjectRef } from '@pothos/core';
import type { Viewer } from '../accounts/session.ts';
import type { UserError } from '../errors.ts';
import { builder } from './builder.ts';
import { type Context, type Loaders, requireOperator, requireViewer } from './context.ts';
import { forgetAll } from './loader.ts';

type Types = (typeof builder)['$inferSchemaTypes'];

/** What the fields of an input are made with. */
export type InputFields = PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>;

/** What the fields of a payload are made with. */
export type PayloadFields<Payload> = PothosSchemaTypes.ObjectFieldBuilder<Types, Payload>;

interface Mutation<Fields extends InputFieldMap, Payload extends object> {
  description: string;
  /** What the input fields do not say each, e.g. which of them exclude each other. */
  inputRule?: string;
  input: (t: InputFields) => Fields;
  errors: (new (...args: never[]) => UserError)[];
  payload: (t: PayloadFields<Payload>) => FieldMap;
}

/**
 * Adds a mutation for people: its input, payload and result under their names, and UNAUTHENTICATED without a session.
 * `run` is written before `payload`, since TypeScript infers the payload's shape from it.
 */
export function mutation<Fields extends InputFieldMap, Payload extends object>(
  name: string,
  options: Mutation<Fields, Payload> & {
    run: (
      deps: Context['deps'],
      viewer: Viewer,
      input: InputShapeFromFields<Fields>,
      loaders: Loaders,
    ) => Payload | Promise<Payload>;
  },
): void {
  add(name, options, (context, input) =>
    options.run(context.deps, requireViewer(context), input, context.loaders),
  );
}

/** Adds a mutation for the operator's token. Other senders get NotPermittedError, which says who may `action`. */
export function operatorMutation<Fields extends InputFieldMap, Payload extends object>(
  name: string,
  options: Mutation<Fields, Payload> & {
    action: string;
    run: (deps: Context['deps'], input: InputShapeFromFields<Fields>) => Payload | Promise<Payload>;
  },
): void {
  const description = `${options.description} Only the operator of the server may do this: with ${OPERATOR_TOKEN}, over HTTP, without signing in.`;
  add(name, { ...options, description }, (context, input) => {
    requireOperator(context, options.action);
    return options.run(context.deps, input);
  });
}

export const OPERATOR_TOKEN =
  'the token of `LATCHKEY_OPERATOR_TOKEN` in the header `x-latchkey-operator-token`';

/** The input rule of mutations that change a thing. */
export const LEFT_OUT = 'Fields left out stay as they are.';

/** The payload of a mutation that removes something. */
export const removedId = (noun: string) => (t: PayloadFields<{ removedId: string }>) => ({
  removedId: t.exposeID('removedId', { description: `Id of the ${noun}.` }),
});

function add<Fields extends InputFieldMap, Payload extends object>(
  name: string,
  { description, inputRule = '', input, errors, payload }: Mutation<Fields, Payload>,
  run: (context: Context, input: InputShapeFromFields<Fields>) => Payload | Promise<Payload>,
): void {
  const typeName = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const inputDescription = `Input of the mutation \`${name}\`. ${inputRule}`.trim();
  // Widened, since Pothos cannot infer a generic shape.
  const inputType: InputObjectRef<Types, object> = builder.inputType(`${typeName}Input`, {
    description: inputDescription,
    fields: input,
  });
  const payloadType: ObjectRef<Types, object> = builder
    .objectRef<Payload>(`${typeName}Payload`)
    .implement({ description: `Result of the mutation \`${name}\` when it succeeds.`, fields: payload });
  builder.mutationField(name, (t) =>
    t.field({
      type: payloadType,
      description,
      args: { input: t.arg({ type: inputType, required: true, description: inputDescription }) },
      errors: {
        types: errors,
        union: {
          name: `${typeName}Result`,
          description: `Payload of the mutation \`${name}\`, or an error that a person can fix. May grow: read unknown members with \`... on UserError\`.`,
        },
      },
      resolve: (_root, args, context) => {
        // What an earlier mutation of the same operation remembered may be changed by this one.
        forgetAll(context.loaders);
        return run(context, args.input as InputShapeFromFields<Fields>);
      },
    }),
  );
}
