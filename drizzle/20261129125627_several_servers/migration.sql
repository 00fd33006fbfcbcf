-- Each row describes a server that runs; none runs during this migration.
DELETE FROM "servers";--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "inconclusive_checks" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "servers" ADD COLUMN "auth_check" text NOT NULL;--> statement-breakpoint
ALTER TABLE "servers" ADD COLUMN "started_at" timestamp(3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "servers" ADD COLUMN "lease_until" timestamp(3) with time zone NOT NULL;--> statement-breakpoint
ALTER TABLE "servers" ADD COLUMN "ended_at" timestamp(3) with time zone;--> statement-breakpoint
ALTER TABLE "settings" ADD COLUMN "installation_id" text DEFAULT gen_random_uuid() NOT NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "stop_asked_at" timestamp(3) with time zone;--> statement-breakpoint
ALTER TABLE "servers" DROP COLUMN "seen_at";--> statement-breakpoint
ALTER TABLE "messages" DROP COLUMN "lease_until";--> statement-breakpoint
ALTER TABLE "messages" DROP COLUMN "fence";--> statement-breakpoint
CREATE INDEX "messages_writing_for" ON "messages" ("author_id") WHERE status = 'WRITING';