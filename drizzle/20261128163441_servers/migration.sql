CREATE TABLE "servers" (
	"id" text PRIMARY KEY,
	"name" text NOT NULL,
	"root_ids" text[] NOT NULL,
	"seen_at" timestamp(3) with time zone NOT NULL
);
