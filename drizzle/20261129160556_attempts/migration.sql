-- oldest program: 20261129130941_oldest_programs
ALTER TABLE "messages" ADD COLUMN "attempts" jsonb DEFAULT '[]' NOT NULL;