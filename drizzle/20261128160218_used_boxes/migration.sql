CREATE TABLE "used_boxes" (
	"owner_id" text,
	"box_id" text,
	"valid_until" timestamp(3) with time zone NOT NULL,
	CONSTRAINT "used_boxes_pkey" PRIMARY KEY("owner_id","box_id")
);
--> statement-breakpoint
CREATE INDEX "used_boxes_valid_until" ON "used_boxes" ("valid_until");