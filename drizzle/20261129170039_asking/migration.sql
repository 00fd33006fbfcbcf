-- oldest program: 20261129170039_asking
-- Earlier programs would take a variant for a model that a key lists, and show it to everybody.
CREATE TABLE "model_preferences" (
	"model_id" text,
	"user_id" text,
	"for_whom" text,
	"is_favorite" boolean,
	"is_hidden" boolean,
	CONSTRAINT "model_preferences_pkey" PRIMARY KEY("model_id","for_whom"),
	CONSTRAINT "model_preferences_for_whom" CHECK (for_whom = coalesce(user_id, 'everybody'))
);
--> statement-breakpoint
ALTER TABLE "api_key_models" ADD COLUMN "is_added" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "option_facts" jsonb;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "base_model_id" text;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "variant_id" text GENERATED ALWAYS AS (case when base_model_id is null then '' else id end) STORED;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "user_id" text;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "options" jsonb;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "options" jsonb;--> statement-breakpoint
ALTER TABLE "api_key_models" ALTER COLUMN "position" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "models" DROP CONSTRAINT "models_identity";--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_identity" UNIQUE("owner_id","provider","base_url","name","variant_id");--> statement-breakpoint
CREATE INDEX "model_preferences_user_id" ON "model_preferences" ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "models_title_for_everybody" ON "models" ("owner_id","title") WHERE base_model_id is not null and user_id is null;--> statement-breakpoint
CREATE UNIQUE INDEX "models_title_for_user" ON "models" ("owner_id","user_id","title") WHERE user_id is not null;--> statement-breakpoint
CREATE INDEX "models_base_model_id" ON "models" ("base_model_id");--> statement-breakpoint
CREATE INDEX "models_user_id" ON "models" ("user_id");--> statement-breakpoint
ALTER TABLE "model_preferences" ADD CONSTRAINT "model_preferences_model_id_models_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "model_preferences" ADD CONSTRAINT "model_preferences_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_base_model_id_models_id_fkey" FOREIGN KEY ("base_model_id") REFERENCES "models"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;