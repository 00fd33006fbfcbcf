-- oldest program: 20261129170039_asking
ALTER TABLE "attachments" ADD COLUMN "text_bytes" integer;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "text_tokens" integer;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "is_encrypted" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "attachments" ADD COLUMN "refused_by" text[] DEFAULT '{}'::text[] NOT NULL;
