import type { GraphQLSchema } from 'graphql';
import './answer.ts';
import './api-key.ts';
import { builder } from './builder.ts';
import './message.ts';
import './model.ts';
import './node.ts';
import './provider.ts';
import './thread.ts';
import './user.ts';
import './user-error.ts';
import './workspace.ts';

/** The API: every noun above adds its part to the builder. */
export const schema: GraphQLSchema = builder.toSchema();
