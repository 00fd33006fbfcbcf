CREATE TABLE "audit_chains" (
	"owner_id" text PRIMARY KEY,
	"root_id" text NOT NULL,
	"generation" integer NOT NULL,
	"version" integer NOT NULL,
	"ciphertext" bytea NOT NULL,
	"tag" bytea NOT NULL,
	"length" integer NOT NULL,
	"head" bytea NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_entries" (
	"owner_id" text,
	"position" integer,
	"content" text NOT NULL,
	"hash" bytea NOT NULL,
	CONSTRAINT "audit_entries_pkey" PRIMARY KEY("owner_id","position")
);
--> statement-breakpoint
CREATE TABLE "invitations" (
	"id" text PRIMARY KEY,
	"workspace_id" text,
	"team_id" text,
	"role" text NOT NULL,
	"token_hash" bytea NOT NULL UNIQUE,
	"created_by" text NOT NULL,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "invitations_one_owner" CHECK (num_nonnulls(workspace_id, team_id) = 1),
	CONSTRAINT "invitations_team_role" CHECK (workspace_id is not null or role <> 'VIEWER')
);
--> statement-breakpoint
CREATE TABLE "team_memberships" (
	"team_id" text,
	"user_id" text,
	"role" text NOT NULL,
	"joined_at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "team_memberships_pkey" PRIMARY KEY("team_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "teams" (
	"id" text PRIMARY KEY,
	"name" text NOT NULL,
	"owner_user_id" text NOT NULL,
	"plan" text,
	"created_at" timestamp(3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
DELETE FROM "memberships" WHERE "role" = 'OWNER';--> statement-breakpoint
ALTER TABLE "memberships" RENAME COLUMN "created_at" TO "joined_at";--> statement-breakpoint
ALTER TABLE "memberships" DROP CONSTRAINT "memberships_workspace_user";--> statement-breakpoint
DROP INDEX "api_keys_workspace_id";--> statement-breakpoint
DROP INDEX "memberships_one_owner";--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "team_id" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "owner_id" text GENERATED ALWAYS AS (coalesce(workspace_id, team_id)) STORED;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "position" integer;--> statement-breakpoint
UPDATE "api_keys" SET "position" = "numbered"."position" FROM (
	SELECT "id", row_number() OVER (PARTITION BY "workspace_id", "provider" ORDER BY "id") AS "position" FROM "api_keys"
) AS "numbered" WHERE "numbered"."id" = "api_keys"."id";--> statement-breakpoint
ALTER TABLE "api_keys" ALTER COLUMN "position" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "recheck_at" timestamp(3) with time zone;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "team_id" text;--> statement-breakpoint
ALTER TABLE "models" ADD COLUMN "owner_id" text GENERATED ALWAYS AS (coalesce(workspace_id, team_id)) STORED;--> statement-breakpoint
ALTER TABLE "workspaces" ADD COLUMN "team_id" text;--> statement-breakpoint
ALTER TABLE "memberships" DROP COLUMN "id";--> statement-breakpoint
ALTER TABLE "memberships" ADD PRIMARY KEY ("workspace_id","user_id");--> statement-breakpoint
ALTER TABLE "api_keys" ALTER COLUMN "workspace_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "models" ALTER COLUMN "workspace_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "workspaces" ALTER COLUMN "owner_user_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "models" DROP CONSTRAINT "models_identity";--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_identity" UNIQUE("owner_id","provider","base_url","name");--> statement-breakpoint
CREATE INDEX "api_keys_owner_id" ON "api_keys" ("owner_id","provider","position");--> statement-breakpoint
CREATE INDEX "api_keys_recheck_at" ON "api_keys" ("recheck_at");--> statement-breakpoint
CREATE INDEX "invitations_workspace_id" ON "invitations" ("workspace_id");--> statement-breakpoint
CREATE INDEX "invitations_team_id" ON "invitations" ("team_id");--> statement-breakpoint
CREATE INDEX "team_memberships_user_id" ON "team_memberships" ("user_id");--> statement-breakpoint
CREATE INDEX "teams_owner_user_id" ON "teams" ("owner_user_id");--> statement-breakpoint
CREATE INDEX "workspaces_team_id" ON "workspaces" ("team_id");--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_team_id_teams_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_workspace_id_workspaces_id_fkey" FOREIGN KEY ("workspace_id") REFERENCES "workspaces"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_team_id_teams_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "invitations" ADD CONSTRAINT "invitations_created_by_users_id_fkey" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_team_id_teams_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "team_memberships" ADD CONSTRAINT "team_memberships_team_id_teams_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "team_memberships" ADD CONSTRAINT "team_memberships_user_id_users_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE;--> statement-breakpoint
ALTER TABLE "teams" ADD CONSTRAINT "teams_owner_user_id_users_id_fkey" FOREIGN KEY ("owner_user_id") REFERENCES "users"("id") ON DELETE RESTRICT;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_team_id_teams_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id") ON DELETE RESTRICT;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_one_owner" CHECK (num_nonnulls(workspace_id, team_id) = 1);--> statement-breakpoint
ALTER TABLE "models" ADD CONSTRAINT "models_one_owner" CHECK (num_nonnulls(workspace_id, team_id) = 1);--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_one_payer" CHECK (num_nonnulls(owner_user_id, team_id) = 1);--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_personal_payer" CHECK (kind = 'SHARED' or owner_user_id is not null);--> statement-breakpoint
CREATE VIEW "team_members" AS (
  select id as team_id, owner_user_id as user_id, 'OWNER' as role, created_at as joined_at from teams
  union all
  select membership.team_id, membership.user_id, membership.role, membership.joined_at
  from team_memberships as membership join teams as team on team.id = membership.team_id
  where membership.user_id <> team.owner_user_id);--> statement-breakpoint
CREATE VIEW "workspace_members" AS (
  select id as workspace_id, owner_user_id as user_id, 'OWNER' as role, created_at as joined_at
  from workspaces where owner_user_id is not null
  union all
  select workspace.id, member.user_id, member.role, greatest(member.joined_at, workspace.created_at)
  from workspaces as workspace join team_members as member on member.team_id = workspace.team_id
  where member.role in ('OWNER', 'ADMIN')
  union all
  select membership.workspace_id, membership.user_id, membership.role, membership.joined_at
  from memberships as membership join workspaces as workspace on workspace.id = membership.workspace_id
  where membership.user_id is distinct from workspace.owner_user_id
    and (workspace.team_id is null or exists (
      select from team_members as member
      where member.team_id = workspace.team_id and member.user_id = membership.user_id and member.role = 'MEMBER')));