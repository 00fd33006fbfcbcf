ALTER TABLE "threads" ADD COLUMN "updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "threads" ADD COLUMN "last_message_at" timestamp(3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
UPDATE "threads" SET "updated_at" = "created_at", "last_message_at" = coalesce((SELECT max("created_at") FROM "messages" WHERE "messages"."thread_id" = "threads"."id"), "created_at");--> statement-breakpoint
CREATE INDEX "threads_last_message_at" ON "threads" ("workspace_id","last_message_at","id");