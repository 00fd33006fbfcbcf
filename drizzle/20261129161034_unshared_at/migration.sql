-- oldest program: 20261129130941_oldest_programs
ALTER TABLE "threads" ADD COLUMN "unshared_at" timestamp(3) with time zone;