import { failureCode } from '../log.ts';

/** The result of a query, or `otherwise` if its table does not exist, as in a database that was not migrated yet. */
export async function ifTableExists<Result>(query: PromiseLike<Result>, otherwise: Result): Promise<Result> {
  try {
    return await query;
  } catch (error) {
    if (failureCode(error) === UNDEFINED_TABLE) return otherwise;
    throw error;
  }
}

const UNDEFINED_TABLE = '42P01';
