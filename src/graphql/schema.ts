import type { GraphQLSchema } from 'graphql';
import './account.ts';
import './answer.ts';
import './answer-events.ts';
import './api-key.ts';
import './api-key-change.ts';
import './api-key-secret.ts';
import { builder } from './builder.ts';
import './invitation.ts';
import './member.ts';
import './message.ts';
import './model.ts';
import './money.ts';
import './node.ts';
import './plan.ts';
import './provider.ts';
import './send-message.ts';
import './server-info.ts';
import './team.ts';
import './tenant.ts';
import './thread.ts';
import './thread-events.ts';
import './user.ts';
import './user-error.ts';
import './workspace.ts';
import './workspace-events.ts';

/** The API: every noun above adds its part to the builder. */
export const schema: GraphQLSchema = builder.toSchema();
