import type { KeyFailure } from './ask-key.ts';
import { endAnswer } from './end-answer.ts';
import { askKeys, recordOutcome } from './failover.ts';
import type { GenerateDeps, GenerationJob } from './generation-job.ts';
import type { Ending } from './live-answer.ts';

/** Generates one answer from the first request to its saved end. Never throws: a failure is an ending of the answer. */
export async function generateAnswer(deps: GenerateDeps, job: GenerationJob): Promise<void> {
  const { live } = job;
  const deadline = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const signal = AbortSignal.any([live.abort.signal, deadline]);
  const result = await askKeys(deps, job, signal);
  // If another ending was claimed first, it aborted the call, and this one changes nothing.
  const ending: Ending =
    result.type === 'answered'
      ? { type: 'finished', status: 'COMPLETE', ...result.end }
      : failed(deadline.aborted ? TIMEOUT : result.failure);
  await job.isCommitted;
  await endAnswer(deps, live, ending);
  await recordOutcome(deps, result.apiKeyId, result.lastResult);
}

function failed({ code, retryAt }: Pick<KeyFailure, 'code' | 'retryAt'>): Ending {
  return { type: 'failed', status: 'FAILED', code, retryAt };
}

const TIMEOUT = { code: 'TIMEOUT', retryAt: null } as const;
const ANSWER_TIMEOUT_MS = 30 * 60 * 1_000;
