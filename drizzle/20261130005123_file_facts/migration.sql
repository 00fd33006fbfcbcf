-- oldest program: 20261129170039_asking
ALTER TABLE "attachments" ADD COLUMN "text_bytes" integer;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "text_tokens" integer;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "is_encrypted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "refused_by" text[] DEFAULT '{}'::text[] NOT NULL;--> statement-breakpoint
-- Once for all rows of a statement, so that the attachments of many messages are locked in the order of their ids, as a send does.
DROP TRIGGER "message_attachment_removed" ON "message_attachments";--> statement-breakpoint
DROP FUNCTION "remove_attachment_of_no_message"();--> statement-breakpoint
CREATE FUNCTION "remove_attachments_of_no_message"() RETURNS trigger LANGUAGE plpgsql AS $$
begin
  -- A send locks the files that it refers to. The DELETE is a statement of its own, which sees what was committed before the lock.
  perform from attachments where id = any (array(select attachment_id from removed)) order by id for update;
  delete from attachments where id = any (array(select attachment_id from removed))
    and not exists (select from message_attachments where attachment_id = attachments.id);
  return null;
end $$;--> statement-breakpoint
CREATE TRIGGER "message_attachments_removed" AFTER DELETE ON "message_attachments" REFERENCING OLD TABLE AS "removed"
  FOR EACH STATEMENT EXECUTE FUNCTION "remove_attachments_of_no_message"();
