-- oldest program: 20261129130941_oldest_programs
ALTER TABLE "messages" ADD COLUMN "kept_reasoning" text;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "cache_write_tokens" integer;