-- oldest program: 20261129170039_asking
ALTER TABLE "attachments" ADD COLUMN "unreadable_at" timestamp(3) with time zone;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "attachment_uses" jsonb;