CREATE TABLE "database_copies" (
	"is_only" boolean PRIMARY KEY DEFAULT true,
	"source_digest" text NOT NULL,
	"table_name" text,
	"last_key" text[],
	"copied_rows" integer DEFAULT 0 NOT NULL,
	"started_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp(3) with time zone,
	CONSTRAINT "database_copies_one_row" CHECK (is_only)
);
