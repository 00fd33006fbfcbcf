DROP INDEX "threads_workspace_id";--> statement-breakpoint
CREATE INDEX "threads_workspace_id" ON "threads" ("workspace_id","id");--> statement-breakpoint
CREATE INDEX "messages_author_id" ON "messages" ("author_id");--> statement-breakpoint
CREATE INDEX "messages_model_id" ON "messages" ("model_id");--> statement-breakpoint
CREATE INDEX "messages_api_key_id" ON "messages" ("api_key_id");--> statement-breakpoint
CREATE INDEX "threads_created_by" ON "threads" ("created_by");