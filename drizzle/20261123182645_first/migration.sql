CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY,
	"workspace_id" text NOT NULL,
	"provider" text NOT NULL,
	"base_url" text NOT NULL,
	"label" text NOT NULL,
	"hint" text,
	"root_id" text NOT NULL,
	"generation" integer NOT NULL,
	"version" integer NOT NULL,
	"ciphertext" bytea NOT NULL,
	"tag" bytea NOT NULL,
	"health" text NOT NULL,
	"health_reason" text,
	"rate_limited_until" timestamp(3) with time zone,
	"is_enabled" boolean DEFAULT true NOT NULL,
	"expires_at" timestamp(3) with time zone,
	"needs_reentry" boolean DEFAULT false NOT NULL,
	"created_by" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp(3) with time zone,
	"models_refreshed_at" timestamp(3) with time zone
);
--> statement-breakpoint
CREATE TABLE "sealing_generations" (
	"owner_id" text PRIMARY KEY,
	"generation" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_key_models" (
	"api_key_id" text,
	"model_id" text,
	"position" integer NOT NULL,
	CONSTRAINT "api_key_models_pkey" PRIMARY KEY("api_key_id","model_id")
);
--> statement-breakpoint
CREATE TABLE "models" (
	"id" text PRIMARY KEY,
	"workspace_id" text NOT NULL,
	"provider" text NOT NULL,
	"base_url" text NOT NULL,
	"name" text NOT NULL,
	"title" text NOT NULL,
	"context_window" integer,
	"max_output_tokens" integer,
	"capabilities" text[] NOT NULL,
	"input_price" double precision,
	"output_price" double precision,
	"cached_input_price" double precision,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "models_identity" UNIQUE("workspace_id","provider","base_url","name")
);
--> statement-breakpoint
CREATE TABLE "answer_chunks" (
	"message_id" text,
	"part" text,
	"from_offset" integer,
	"text" text NOT NULL,
	CONSTRAINT "answer_chunks_pkey" PRIMARY KEY("message_id","part","from_offset")
);
--> statement-breakpoint
CREATE TABLE "messages" (
	"id" text PRIMARY KEY,
	"thread_id" text NOT NULL,
	"position" integer NOT NULL,
	"parent_id" text,
	"role" text NOT NULL,
	"status" text NOT NULL,
	"text" text NOT NULL,
	"reasoning" text DEFAULT '' NOT NULL,
	"citations" jsonb DEFAULT '[]' NOT NULL,
	"author_id" text,
	"idempotency_key" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"model_id" text,
	"model_name" text,
	"provider" text,
	"api_key_id" text,
	"paid_by" text,
	"finish_reason" text,
	"provider_finish_reason" text,
	"error_code" text,
	"error_retry_at" timestamp(3) with time zone,
	"input_tokens" integer,
	"output_tokens" integer,
	"cached_input_tokens" integer,
	"reasoning_tokens" integer,
	"is_usage_estimated" boolean,
	"writer_id" text,
	"lease_until" timestamp(3) with time zone,
	"fence" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "messages_position" UNIQUE("thread_id","position"),
	CONSTRAINT "messages_idempotency_key" UNIQUE("thread_id","author_id","idempotency_key")
);
--> statement-breakpoint
CREATE TABLE "threads" (
	"id" text PRIMARY KEY,
	"workspace_id" text NOT NULL,
	"title" text NOT NULL,
	"visibility" text NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"last_position" integer DEFAULT 0 NOT NULL,
	"created_by" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "accounts" (
	"id" text PRIMARY KEY,
	"user_id" text NOT NULL,
	"account_id" text NOT NULL,
	"provider_id" text NOT NULL,
	"access_token" text,
	"refresh_token" text,
	"id_token" text,
	"access_token_expires_at" timestamp(3) with time zone,
	"refresh_token_expires_at" timestamp(3) with time zone,
	"scope" text,
	"password" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text PRIMARY KEY,
	"user_id" text NOT NULL,
	"token" text NOT NULL UNIQUE,
	"expires_at" timestamp(3) with time zone NOT NULL,
	"ip_address" text,
	"user_agent" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY,
	"name" text NOT NULL,
	"email" text NOT NULL UNIQUE,
	"email_verified" boolean DEFAULT false NOT NULL,
	"image" text,
	"plan" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "verifications" (
	"id" text PRIMARY KEY,
	"identifier" text NOT NULL,
	"value" text NOT NULL,
	"expires_at" timestamp(3) with time zone NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"id" text PRIMARY KEY,
	"workspace_id" text NOT NULL,
	"user_id" text NOT NULL,
	"role" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "memberships_workspace_user" UNIQUE("workspace_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"id" text PRIMARY KEY,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"owner_user_id" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "api_keys_workspace_id" ON "api_keys" ("workspace_id","created_at");--> statement-breakpoint
CREATE INDEX "api_keys_root_id" ON "api_keys" ("root_id");--> statement-breakpoint
CREATE INDEX "api_key_models_model_id" ON "api_key_models" ("model_id");--> statement-breakpoint
CREATE INDEX "messages_parent_id" ON "messages" ("parent_id");--> statement-breakpoint
CREATE INDEX "messages_writing" ON "messages" ("thread_id") WHERE status = 'WRITING';--> statement-breakpoint
CREATE INDEX "threads_workspace_id" ON "threads" ("workspace_id","created_at","id");--> statement-breakpoint
CREATE INDEX "accounts_user_id" ON "accounts" ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_user_id" ON "sessions" ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "memberships_one_owner" ON "memberships" ("workspace_id") WHERE role = 'OWNER';--> statement-breakpoint
CREATE INDEX "memberships_user_id" ON "memberships" ("user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "workspaces_personal" ON "workspaces" ("owner_user_id") WHERE kind = 'PERSONAL';--> statement-breakpoint
CREATE INDEX "workspaces_owner_user_id" ON "workspaces" ("owner_user_id");--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_created_by_users_id_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "api_key_models" ADD CONSTRAINT "api_key_models_api_key_id_api_keys_id_fkey" FOREIGN KEY ("api_key_id") REFERENCES "api_keys"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "api_key_models" ADD CONSTRAINT "api_key_models_model_id_models_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "answer_chunks" ADD CONSTRAINT "answer_chunks_message_id_messages_id_fkey" FOREIGN KEY ("message_id") REFERENCES "messages"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_thread_id_threads_id_fkey" FOREIGN KEY ("thread_id") REFERENCES "threads"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_parent_id_messages_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "messages"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_author_id_users_id_fkey" FOREIGN KEY ("author_id") REFERENCES "users"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_model_id_models_id_fkey" FOREIGN KEY ("model_id") REFERENCES "models"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_api_key_id_api_keys_id_fkey" FOREIGN KEY ("api_key_id") REFERENCES "api_keys"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "threads" ADD CONSTRAINT "threads_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "threads" ADD CONSTRAINT "threads_created_by_users_id_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE SET NULL;--> statement-breakpoint
ALTER TABLE "accounts" ADD CONSTRAINT "accounts_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_owner_user_id_users_id_fkey" FOREIGN KEY ("owner_user_id") REFERENCES "users"("id") ON DELETE RESTRICT;