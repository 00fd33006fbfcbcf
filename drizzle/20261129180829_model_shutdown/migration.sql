-- oldest program: 20261129170039_asking
ALTER TABLE "models" ADD COLUMN "shutdown_at" timestamp(3) with time zone;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "replacement_name" text;