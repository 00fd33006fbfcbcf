import { SealError } from './seal.ts';

/**
 * Seals the rows of `read` again, in passes, until no other process changed a row during a whole pass. After a crash at any
 * point, the next run does the rest.
 */
export async function resealRows<Row>(rows: ResealableRows<Row>): Promise<Resealed> {
  let resealed = 0;
  for (;;) {
    const pass = await resealOnce(rows);
    resealed += pass.resealed;
    if (pass.changedMeanwhile === 0) return { resealed, skipped: pass.skipped, failures: pass.failures };
  }
}

/** Opens every row without changing any. Counts those that open by root key and generation, and lists those that do not. */
export async function verifyRows<Row extends SealedBy>(rows: SealedRows<Row>): Promise<Verified> {
  const opened = new Map<string, OpenedRows>();
  const failures: SealFailure[] = [];
  let skipped = 0;
  for await (const row of rows.read()) {
    if (rows.needsReentry(row)) {
      skipped += 1;
      continue;
    }
    try {
      rows.open(row).fill(0);
    } catch (error) {
      failures.push(failureOf(rows, row, error));
      continue;
    }
    const { rootId, generation } = row;
    const group = opened.get(`${rootId}.${generation}`) ?? { rootId, generation, rows: 0 };
    group.rows += 1;
    opened.set(`${rootId}.${generation}`, group);
  }
  return { opened: [...opened.values()], skipped, failures };
}

/** One kind of rows that hold a sealed record: provider keys, or the keys of audit logs. */
export interface SealedRows<Row> {
  read: () => AsyncIterable<Row>;
  idOf: (row: Row) => string;
  /** Whether its secret is lost and has to be entered again, so that it need not open. */
  needsReentry: (row: Row) => boolean;
  /** Throws SealError. The caller wipes the bytes. */
  open: (row: Row) => Uint8Array;
}

export interface ResealableRows<Row> extends Omit<SealedRows<Row>, 'open'> {
  /** Throws SealError. False if the row was changed or removed since it was read; that change is kept. */
  reseal: (row: Row) => Promise<boolean>;
}

export interface Resealed {
  /** How many rows were sealed again. */
  resealed: number;
  /** How many were left alone because their secret has to be entered again anyway. */
  skipped: number;
  /** Those that do not open. They are left as they are. */
  failures: SealFailure[];
}

export interface Verified {
  opened: OpenedRows[];
  /** How many were not opened because their secret has to be entered again anyway. */
  skipped: number;
  failures: SealFailure[];
}

/** Which key pair sealed a row. */
export interface SealedBy {
  rootId: string;
  generation: number;
}

export interface OpenedRows extends SealedBy {
  rows: number;
}

/** A row that does not open, and why. */
export interface SealFailure {
  id: string;
  type: SealError['type'];
}

async function resealOnce<Row>(rows: ResealableRows<Row>) {
  const pass = { resealed: 0, skipped: 0, changedMeanwhile: 0, failures: [] as SealFailure[] };
  for await (const row of rows.read()) {
    if (rows.needsReentry(row)) {
      pass.skipped += 1;
      continue;
    }
    try {
      if (await rows.reseal(row)) pass.resealed += 1;
      else pass.changedMeanwhile += 1;
    } catch (error) {
      pass.failures.push(failureOf(rows, row, error));
    }
  }
  return pass;
}

function failureOf<Row>({ idOf }: Pick<SealedRows<Row>, 'idOf'>, row: Row, error: unknown): SealFailure {
  if (!(error instanceof SealError)) throw error;
  return { id: idOf(row), type: error.type };
}
