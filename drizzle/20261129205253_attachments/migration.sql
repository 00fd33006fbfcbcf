-- oldest program: 20261129170039_asking
CREATE TABLE "attachments" (
	"id" text PRIMARY KEY,
	"workspace_id" text NOT NULL,
	"created_by" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"file_name" text NOT NULL,
	"size_bytes" integer NOT NULL,
	"status" text DEFAULT 'WAITING' NOT NULL,
	"is_sent" boolean DEFAULT false NOT NULL,
	"uploads" integer DEFAULT 0 NOT NULL,
	"readings" integer DEFAULT 0 NOT NULL,
	"reading_since" timestamp(3) with time zone,
	"root_id" text,
	"generation" integer,
	"version" integer,
	"ciphertext" bytea,
	"tag" bytea,
	"kind" text,
	"media_type" text,
	"width" integer,
	"height" integer,
	"page_count" integer,
	"text_length" integer,
	"picture_bytes" integer,
	"picture_media_type" text,
	"note" text,
	"refusal_code" text,
	"refusal" text,
	CONSTRAINT "attachments_sealed" CHECK (num_nonnulls(root_id, generation, version, ciphertext, tag) = case when status in ('READING', 'READY') then 5 else 0 end)
);
--> statement-breakpoint
CREATE TABLE "message_attachments" (
	"message_id" text,
	"attachment_id" text,
	"position" integer NOT NULL,
	CONSTRAINT "message_attachments_pkey" PRIMARY KEY("message_id","attachment_id")
);
--> statement-breakpoint
CREATE TABLE "removed_attachments" (
	"id" text PRIMARY KEY,
	"uploads" integer NOT NULL,
	"removed_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"cleared_at" timestamp(3) with time zone
);
--> statement-breakpoint
CREATE INDEX "attachments_workspace_id" ON "attachments" ("workspace_id");--> statement-breakpoint
CREATE INDEX "attachments_created_by" ON "attachments" ("created_by");--> statement-breakpoint
CREATE INDEX "attachments_root_id" ON "attachments" ("root_id");--> statement-breakpoint
CREATE INDEX "attachments_unsent" ON "attachments" ("created_at") WHERE not is_sent;--> statement-breakpoint
CREATE INDEX "attachments_reading" ON "attachments" ("reading_since") WHERE status = 'READING';--> statement-breakpoint
CREATE INDEX "message_attachments_attachment_id" ON "message_attachments" ("attachment_id");--> statement-breakpoint
CREATE INDEX "removed_attachments_removed_at" ON "removed_attachments" ("removed_at");--> statement-breakpoint
ALTER TABLE "attachments" ADD CONSTRAINT "attachments_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "attachments" ADD CONSTRAINT "attachments_created_by_users_id_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "message_attachments" ADD CONSTRAINT "message_attachments_message_id_messages_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "message_attachments" ADD CONSTRAINT "message_attachments_attachment_id_attachments_id_fkey" FOREIGN KEY ("attachment_id") REFERENCES "attachments"("id") ON DELETE CASCADE;--> statement-breakpoint
-- Triggers, so that no statement deletes a row and forgets its bytes: cascades and programs before this one delete rows too.
CREATE FUNCTION "remember_removed_attachment"() RETURNS trigger LANGUAGE plpgsql AS $$
begin
  insert into removed_attachments (id, uploads) values (old.id, old.uploads) on conflict do nothing;
  return null;
end $$;--> statement-breakpoint
CREATE TRIGGER "attachment_removed" AFTER DELETE ON "attachments"
  FOR EACH ROW WHEN (old.uploads > 0) EXECUTE FUNCTION "remember_removed_attachment"();--> statement-breakpoint
CREATE FUNCTION "remove_attachment_of_no_message"() RETURNS trigger LANGUAGE plpgsql AS $$
begin
  -- A send locks the files that it refers to. The DELETE is a statement of its own, which sees what was committed before the lock.
  perform from attachments where id = old.attachment_id for update;
  delete from attachments where id = old.attachment_id
    and not exists (select from message_attachments where attachment_id = old.attachment_id);
  return null;
end $$;--> statement-breakpoint
CREATE TRIGGER "message_attachment_removed" AFTER DELETE ON "message_attachments"
  FOR EACH ROW EXECUTE FUNCTION "remove_attachment_of_no_message"();
