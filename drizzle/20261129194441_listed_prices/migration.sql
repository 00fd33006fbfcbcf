-- oldest program: 20261129170039_asking
ALTER TABLE "models" ADD COLUMN "stands_for" text;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "listed_price" jsonb;--> statement-breakpoint
UPDATE "models" SET "listed_price" = jsonb_build_object('input', trim_scale("input_price"::numeric)::text, 'output', trim_scale("output_price"::numeric)::text, 'cachedInput', trim_scale("cached_input_price"::numeric)::text, 'cacheWrite', trim_scale("cache_write_price"::numeric)::text, 'cacheWrite1h', NULL, 'webSearchPer1000', NULL, 'tiers', '[]'::jsonb) WHERE "input_price" IS NOT NULL AND "output_price" IS NOT NULL;
