import { sql } from 'drizzle-orm';
import {
  type AnyPgColumn,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
} from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { apiKeys } from './api-key.ts';
import { instant } from './column.ts';
import { models, type StoredOptions } from './model.ts';
import { users } from './user.ts';
import { workspaces } from './workspace.ts';

/**
 * `revision` grows with every change a client may have to refetch, and `updatedAt` with it; `lastPosition` numbers the
 * messages.
 */
export const threads = pgTable(
  'threads',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('thr')),
    workspaceId: text('workspace_id')
      .notNull()
      .references(() => workspaces.id, { onDelete: 'cascade' }),
    title: text('title').notNull(),
    visibility: text('visibility', { enum: ['PRIVATE', 'WORKSPACE'] }).notNull(),
    revision: integer('revision').notNull().default(1),
    lastPosition: integer('last_position').notNull().default(0),
    createdBy: text('created_by').references(() => users.id, { onDelete: 'set null' }),
    createdAt: instant('created_at').notNull().defaultNow(),
    updatedAt: instant('updated_at')
      .notNull()
      .defaultNow()
      .$onUpdate(() => sql`now()`),
    /** When a message or answer was last added; when the thread was created while it has none. */
    lastMessageAt: instant('last_message_at').notNull().defaultNow(),
    /** When others could last begin to see it. Null for one that was never shared, and for one that 0.1 shared. */
    sharedAt: instant('shared_at'),
    /** When it was last made private. Null for one that is shared, or never was. */
    unsharedAt: instant('unshared_at'),
  },
  (table) => [
    index('threads_workspace_id').on(table.workspaceId, table.id),
    index('threads_last_message_at').on(table.workspaceId, table.lastMessageAt, table.id),
    index('threads_created_by').on(table.createdBy),
  ],
);

/**
 * A message by a person or an answer by a model. An answer names its model, provider and payer by value as well, so that
 * an old thread stays readable when its model or key is gone.
 */
export const messages = pgTable(
  'messages',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('msg')),
    threadId: text('thread_id')
      .notNull()
      .references(() => threads.id, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    parentId: text('parent_id').references((): AnyPgColumn => messages.id, { onDelete: 'set null' }),
    role: text('role', { enum: ['USER', 'ASSISTANT'] }).notNull(),
    status: text('status', { enum: ['WRITING', 'COMPLETE', 'STOPPED', 'FAILED', 'INTERRUPTED'] }).notNull(),
    text: text('text').notNull(),
    reasoning: text('reasoning').notNull().default(''),
    citations: jsonb('citations').$type<StoredCitation[]>().notNull().default([]),
    /** State of the model's reasoning as JSON, see `KeptReasoning`. Sent to its provider only; never shown. */
    keptReasoning: text('kept_reasoning'),
    /** The user who wrote the message or asked for the answer. */
    authorId: text('author_id').references(() => users.id, { onDelete: 'set null' }),
    idempotencyKey: text('idempotency_key'),
    /** Hash of the whole input that came with the idempotency key. */
    inputHash: text('input_hash'),
    createdAt: instant('created_at').notNull().defaultNow(),

    modelId: text('model_id').references(() => models.id, { onDelete: 'set null' }),
    modelName: text('model_name'),
    provider: text('provider'),
    apiKeyId: text('api_key_id').references(() => apiKeys.id, { onDelete: 'set null' }),
    paidBy: text('paid_by', { enum: ['PERSONAL', 'WORKSPACE', 'TEAM'] }),
    /** The options with which the model was asked, those of a variant included; null for none. */
    options: jsonb('options').$type<StoredOptions>(),
    /** How the model was sent each file of its branch, oldest first; null for none. */
    attachmentUses: jsonb('attachment_uses').$type<StoredAttachmentUse[]>(),
    /** Saved when the key changes and when the answer ends. */
    attempts: jsonb('attempts').$type<StoredAttempt[]>().notNull().default([]),

    finishReason: text('finish_reason', { enum: ['STOP', 'LENGTH', 'CONTENT_FILTER', 'OTHER'] }),
    providerFinishReason: text('provider_finish_reason'),
    errorCode: text('error_code'),
    errorRetryAt: instant('error_retry_at'),
    inputTokens: integer('input_tokens'),
    outputTokens: integer('output_tokens'),
    cachedInputTokens: integer('cached_input_tokens'),
    cacheWriteTokens: integer('cache_write_tokens'),
    reasoningTokens: integer('reasoning_tokens'),
    isUsageEstimated: boolean('is_usage_estimated'),

    /** The server that asks the provider, by its id in `servers`; null once the answer has ended. */
    writerId: text('writer_id'),
    /** When a person asked, through another server, that the answer be stopped. */
    stopAskedAt: instant('stop_asked_at'),
  },
  (table) => [
    unique('messages_position').on(table.threadId, table.position),
    unique('messages_idempotency_key').on(table.threadId, table.authorId, table.idempotencyKey),
    index('messages_parent_id').on(table.parentId),
    index('messages_first').on(table.threadId).where(sql`parent_id is null`),
    // Deleting a user, model or key makes the database look for the messages that refer to it.
    index('messages_author_id').on(table.authorId),
    index('messages_model_id').on(table.modelId),
    index('messages_api_key_id').on(table.apiKeyId),
    index('messages_writing').on(table.threadId).where(sql`status = 'WRITING'`),
    index('messages_writing_for').on(table.authorId).where(sql`status = 'WRITING'`),
  ],
);

/** Offsets are UTF-16 code units into the message's text. */
export interface StoredCitation {
  url: string;
  title: string | null;
  startOffset: number | null;
  endOffset: number | null;
}

/** How a model was sent a file. `note` is for people; null if there is nothing to say. */
export interface StoredAttachmentUse {
  /** Null for all older files together. */
  attachmentId: string | null;
  use: 'NATIVE' | 'AS_TEXT' | 'LEFT_OUT';
  note: string | null;
}

/** The calls with one key, retries included. `errorCode` is null unless the key's last call failed. */
export interface StoredAttempt {
  apiKeyId: string;
  /** In ISO 8601. */
  startedAt: string;
  errorCode: string | null;
}

/** Text of an answer that is still being written, saved at each checkpoint; gone once the answer has ended. */
export const answerChunks = pgTable(
  'answer_chunks',
  {
    messageId: text('message_id')
      .notNull()
      .references(() => messages.id, { onDelete: 'cascade' }),
    part: text('part', { enum: ['TEXT', 'REASONING'] }).notNull(),
    fromOffset: integer('from_offset').notNull(),
    text: text('text').notNull(),
  },
  (table) => [primaryKey({ columns: [table.messageId, table.part, table.fromOffset] })],
);
