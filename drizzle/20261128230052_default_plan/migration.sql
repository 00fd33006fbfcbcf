CREATE TABLE "settings" (
	"is_only" boolean PRIMARY KEY DEFAULT true,
	"default_plan" text NOT NULL,
	CONSTRAINT "settings_one_row" CHECK (is_only)
);
--> statement-breakpoint
INSERT INTO "settings" ("default_plan") VALUES ('BUSINESS');
