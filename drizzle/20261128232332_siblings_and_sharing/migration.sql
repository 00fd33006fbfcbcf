ALTER TABLE "threads" ADD COLUMN "shared_at" timestamp(3) with time zone;--> statement-breakpoint
CREATE INDEX "messages_first" ON "messages" ("thread_id") WHERE parent_id is null;