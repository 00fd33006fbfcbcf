import { and, asc, eq, gt, ne, or, type SQL, sql } from 'drizzle-orm';
import type { Database } from '../db/database.ts';
import { answerChunks, messages } from '../db/tables/thread.ts';
import type { AnswerPart } from './followed-answer.ts';
import type { ChunkPlace, Piece } from './remote-answer.ts';

/** An answer that another server writes, and the last chunks of it that are known. */
export interface KnownAnswer {
  id: string;
  lastChunk(part: AnswerPart): ChunkPlace;
}

/** What the database has of an answer. */
export interface Progress {
  isWriting: boolean;
  /** Null once it has ended. */
  writerId: string | null;
  /** The chunks that are new or longer than known, in their order. */
  pieces: Piece[];
}

/** Reads in one statement how far answers of other servers are. An answer that is not in the result was deleted. */
export async function readProgress(
  db: Pick<Database, 'select'>,
  answers: readonly KnownAnswer[],
): Promise<Map<string, Progress>> {
  const known = JSON.stringify(
    answers.map((answer) => {
      const [text, reasoning] = [answer.lastChunk('TEXT'), answer.lastChunk('REASONING')];
      const { id } = answer;
      return {
        id,
        text: text.fromOffset,
        textBytes: text.bytes,
        reasoning: reasoning.fromOffset,
        reasoningBytes: reasoning.bytes,
      };
    }),
  );
  const rows = await db
    .select({
      id: messages.id,
      status: messages.status,
      writerId: messages.writerId,
      part: answerChunks.part,
      offset: answerChunks.fromOffset,
      text: answerChunks.text,
    })
    .from(
      sql`jsonb_to_recordset(${known}::text::jsonb)
        as known(id text, text integer, "textBytes" integer, reasoning integer, "reasoningBytes" integer)`,
    )
    .innerJoin(messages, eq(messages.id, sql`known.id`))
    .leftJoin(
      answerChunks,
      and(
        eq(answerChunks.messageId, messages.id),
        or(
          isNew('TEXT', sql`known.text`, sql`known."textBytes"`),
          isNew('REASONING', sql`known.reasoning`, sql`known."reasoningBytes"`),
        ),
      ),
    )
    .orderBy(asc(messages.id), asc(answerChunks.fromOffset));
  const progress = new Map<string, Progress>();
  for (const { id, status, writerId, part, offset, text } of rows) {
    const found = progress.get(id) ?? { isWriting: status === 'WRITING', writerId, pieces: [] };
    progress.set(id, found);
    if (part !== null && offset !== null && text !== null) found.pieces.push({ part, offset, text });
  }
  return progress;
}

/** Whether a chunk is behind the last known one, or is that one and has grown: then its length in bytes is another. */
function isNew(part: AnswerPart, fromOffset: SQL, bytes: SQL): SQL | undefined {
  return and(
    eq(answerChunks.part, part),
    or(
      gt(answerChunks.fromOffset, fromOffset),
      and(eq(answerChunks.fromOffset, fromOffset), ne(sql`octet_length(${answerChunks.text})`, bytes)),
    ),
  );
}
