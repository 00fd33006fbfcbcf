CREATE TABLE "oldest_programs" (
	"migration" text PRIMARY KEY,
	"program" text NOT NULL
);
--> statement-breakpoint
ALTER TABLE "servers" ADD COLUMN "program" text;