import { sql } from 'drizzle-orm';
import { boolean, check, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { newId } from '../id.ts';
import { bytes, instant } from './column.ts';
import { messages } from './thread.ts';
import { users } from './user.ts';
import { workspaces } from './workspace.ts';

/**
 * A file in a workspace. Its bytes are in the file store; `rootId` to `tag` are the sealed key that opens them, null until they
 * have arrived and again once the file is refused.
 */
export const attachments = pgTable(
  'attachments',
  {
    id: text('id')
      .primaryKey()
      .$defaultFn(() => newId('att')),
    workspaceId: text('workspace_id')
      .notNull()
      .references(() => workspaces.id, { onDelete: 'cascade' }),
    createdBy: text('created_by').references(() => users.id, { onDelete: 'set null' }),
    createdAt: instant('created_at').notNull().defaultNow(),
    fileName: text('file_name').notNull(),
    /** As announced. A file of another size is not accepted. */
    sizeBytes: integer('size_bytes').notNull(),
    status: text('status', { enum: ['WAITING', 'READING', 'READY', 'REFUSED'] })
      .notNull()
      .default('WAITING'),
    /** Whether a message refers to it, or did: when the last one is deleted, so is the attachment. */
    isSent: boolean('is_sent').notNull().default(false),
    /**
     * How often an upload of its bytes has begun. Each upload writes under a name of its own, so that one which was given up,
     * and ends late, overwrites nothing.
     */
    uploads: integer('uploads').notNull().default(0),
    /** How often a server has begun to read its content, and when the last one did. */
    readings: integer('readings').notNull().default(0),
    readingSince: instant('reading_since'),
    /** When its bytes were last found missing or damaged as a model was to be sent them; null for never. */
    unreadableAt: instant('unreadable_at'),

    rootId: text('root_id'),
    generation: integer('generation'),
    version: integer('version'),
    ciphertext: bytes('ciphertext'),
    tag: bytes('tag'),

    kind: text('kind', { enum: ['IMAGE', 'PDF', 'TEXT', 'DOCUMENT'] }),
    mediaType: text('media_type'),
    width: integer('width'),
    height: integer('height'),
    pageCount: integer('page_count'),
    /** Length of the extracted text in UTF-16 code units; null if there is none. The text itself is in the store. */
    textLength: integer('text_length'),
    /** Its size in the store, in bytes of UTF-8. */
    textBytes: integer('text_bytes'),
    /** Estimated tokens of it, for a model of which a token of English is four characters. */
    textTokens: integer('text_tokens'),
    /** Size of the copy of an image that models are sent; null if there is none. The copy itself is in the store. */
    pictureBytes: integer('picture_bytes'),
    pictureMediaType: text('picture_media_type', { enum: ['image/png', 'image/jpeg'] }),
    /** Whether it is encrypted, though it opens without a password. Providers refuse such PDFs. */
    isEncrypted: boolean('is_encrypted').notNull().default(false),
    /** The providers that have refused a request with its bytes. */
    refusedBy: text('refused_by').array().notNull().default([]),
    /** Sentences about what was left out of the text, or guessed; null if nothing was. */
    note: text('note'),
    refusalCode: text('refusal_code', {
      enum: ['TOO_LARGE', 'UNSUPPORTED', 'ENCRYPTED', 'DAMAGED', 'TOO_COMPLEX'],
    }),
    /** A sentence for the person who uploaded the file. */
    refusal: text('refusal'),
  },
  (table) => [
    check(
      'attachments_sealed',
      sql`num_nonnulls(root_id, generation, version, ciphertext, tag) = case when status in ('READING', 'READY') then 5 else 0 end`,
    ),
    index('attachments_workspace_id').on(table.workspaceId),
    index('attachments_created_by').on(table.createdBy),
    // Rotation and the boot check look for rows by the root that sealed them.
    index('attachments_root_id').on(table.rootId),
    index('attachments_unsent').on(table.createdAt).where(sql`not is_sent`),
    index('attachments_reading').on(table.readingSince).where(sql`status = 'READING'`),
  ],
);

/** The files of a message. A trigger deletes an attachment with the last message that refers to it. */
export const messageAttachments = pgTable(
  'message_attachments',
  {
    messageId: text('message_id')
      .notNull()
      .references(() => messages.id, { onDelete: 'cascade' }),
    attachmentId: text('attachment_id')
      .notNull()
      .references(() => attachments.id, { onDelete: 'cascade' }),
    /** Place among the files of the message, from 1. */
    position: integer('position').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.messageId, table.attachmentId] }),
    index('message_attachments_attachment_id').on(table.attachmentId),
  ],
);

/**
 * Deleted attachments whose bytes may be in the store: a trigger adds one whenever a row of `attachments` is deleted, by
 * whatever statement. The row goes a day after the attachment, when no upload or reading of it can end any more.
 */
export const removedAttachments = pgTable(
  'removed_attachments',
  {
    id: text('id').primaryKey(),
    uploads: integer('uploads').notNull(),
    removedAt: instant('removed_at').notNull().defaultNow(),
    /** When its bytes were removed from the store; null for not yet. */
    clearedAt: instant('cleared_at'),
  },
  (table) => [index('removed_attachments_removed_at').on(table.removedAt)],
);
