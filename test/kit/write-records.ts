import postgres from 'postgres';

/** What a database recorded of the writes to answers, by triggers of the test. */
export interface WriteRecords extends AsyncDisposable {
  /** Writes to answers that had ended: none are allowed. */
  late(): Promise<string[]>;
  /** How often each of these answers ended. */
  endsOf(answerIds: readonly string[]): Promise<number[]>;
  /** The rows of these answers, with the number of their chunks. */
  rowsOf(answerIds: readonly string[]): Promise<StoredAnswer[]>;
  /** Whether the server of this name holds a lease. */
  hasLease(name: string): Promise<boolean>;
  sql: postgres.Sql;
}

export interface StoredAnswer {
  id: string;
  status: string;
  text: string;
  reasoning: string;
  chunks: number;
}

/** Begins to record. */
export async function recordWrites(databaseUrl: string): Promise<WriteRecords> {
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} });
  await sql.unsafe(TRIGGERS);
  return {
    sql,
    late: async () =>
      (await sql`select what, id from recorded where what <> 'end'`).map(({ what, id }) => `${what} ${id}`),
    async endsOf(answerIds) {
      const rows = await sql`
        select given.id, count(recorded.id)::int as ends from unnest(${answerIds}::text[]) as given(id)
        left join recorded on recorded.id = given.id and what = 'end' group by given.id`;
      return rows.map(({ ends }) => ends);
    },
    rowsOf: async (answerIds) =>
      await sql<StoredAnswer[]>`
        select id, status, text, reasoning,
          (select count(*)::int from answer_chunks where message_id = messages.id) as chunks
        from messages where id = any(${answerIds}::text[])`,
    async hasLease(name) {
      const rows = await sql`
        select from servers where ended_at is null and lease_until > now() and name like ${`% ${name}`}`;
      return rows.length > 0;
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
    },
  };
}

const TRIGGERS = `
create table recorded (at timestamptz not null default clock_timestamp(), what text not null, id text not null);
create function record_message() returns trigger language plpgsql as $$
begin
  if old.role = 'ASSISTANT' and old.status = 'WRITING' and new.status <> 'WRITING' then
    insert into recorded (what, id) values ('end', new.id);
  elsif old.role = 'ASSISTANT' and old.status <> 'WRITING'
    and (new.status, new.text, new.reasoning) is distinct from (old.status, old.text, old.reasoning) then
    insert into recorded (what, id) values ('text or status of an ended answer', new.id);
  end if;
  return new;
end $$;
create trigger record_message after update on messages for each row execute function record_message();
create function record_chunk() returns trigger language plpgsql as $$
begin
  if (select status from messages where id = new.message_id) <> 'WRITING' then
    insert into recorded (what, id) values ('chunk of an ended answer', new.message_id);
  end if;
  return new;
end $$;
create trigger record_chunk after insert or update on answer_chunks for each row execute function record_chunk();
`;
