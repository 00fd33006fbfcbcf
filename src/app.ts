import { setTimeout as sleep } from 'node:timers/promises';
import { startSessionSweeps } from './accounts/sweep-sessions.ts';
import type { AnswerDeps } from './answers/begin-answers.ts';
import { startCheckpoints } from './answers/checkpoint.ts';
import { endAnswer } from './answers/end-answer.ts';
import type { LiveAnswer } from './answers/live-answer.ts';
import { recoverAnswers } from './answers/recover.ts';
import { RunningAnswers } from './answers/running.ts';
import type { SendDeps } from './answers/send-message.ts';
import { Changes } from './changes.ts';
import type { Config } from './config.ts';
import { type OpenDatabase, openDatabase } from './db/database.ts';
import { newId } from './db/id.ts';
import { AccessBatch } from './follow/access-watch.ts';
import { ModelViewCache } from './follow/model-view-cache.ts';
import { SharedReads } from './follow/shared-reads.ts';
import { CheckLimits } from './keys/check-limits.ts';
import { startRechecks } from './keys/recheck.ts';
import { recordRoots } from './keys/root-holders.ts';
import { rowsByRootId } from './keys/rotate.ts';
import { log } from './log.ts';
import { Mailer } from './mail.ts';
import { createEgress } from './providers/http/egress.ts';
import { createProviders } from './providers/registry.ts';
import { SingleFlight } from './single-flight.ts';
import { loadRootKeys } from './vault/root-key.ts';
import { loadOptionalSecret, loadSecret, madeSecretFile } from './vault/secret-source.ts';
import { removeAccount } from './workspaces/delete-account.ts';
import { InvitationLimits } from './workspaces/invitation.ts';
import { isInvited } from './workspaces/invite.ts';
import { saveDefaultPlan } from './workspaces/plan.ts';

/** The product without its sockets: what resolvers and commands work with. */
export interface App extends SendDeps {
  engine: string;
  /** Signs sessions. */
  authSecret: string;
  /** Whoever sends it may do what the operator does over the API; null if nobody may. */
  operatorToken: string | null;
  /** Null where no mail can be sent. */
  mailer: Mailer | null;
  invitationLimits: InvitationLimits;
  modelViewCache: ModelViewCache;
  accessBatch: AccessBatch;
  sharedReads: SharedReads;
  /** Whether this token opens an invitation, so that whoever brings it may sign up. */
  isInvited(token: string): Promise<boolean>;
  /** Deletes an account with what is its own. Throws ConflictError if it has to stay. */
  removeAccount(userId: string): Promise<void>;
  /** Takes no further answers, ends those that are being written as INTERRUPTED, and tells their followers. */
  endAnswers(): Promise<void>;
  /** Ends the answers, then closes everything in reverse order. */
  close(): Promise<void>;
}

/** Opens database, keys, providers and answers, in that order. `say` tells the operator about secrets that were made and migrations that ran. */
export async function openApp(
  config: Config,
  say: (sentence: string) => void,
  /** An embedded database that is already open; tests share one. */
  opened?: OpenDatabase,
  /** How long to wait, at most, until keys that are due to be checked are looked for; tests say when. */
  recheckEveryMs?: number,
): Promise<App> {
  const database = opened ?? (await openDatabase(config, say));
  try {
    return await openOn(database, config, say, recheckEveryMs);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function openOn(
  database: OpenDatabase,
  config: Config,
  say: (sentence: string) => void,
  recheckEveryMs: number | undefined,
): Promise<App> {
  const { db } = database;
  const isEmbedded = config.databaseUrl === undefined;
  const rootKeys = await loadRootKeys({
    rootKey: config.rootKey,
    rootKeyFile: config.rootKeyFile,
    dataDir: config.dataDir,
    isEmbedded,
    isLoopback: config.isLoopback,
    rowsByRootId: () => rowsByRootId(db),
    say,
  });
  const authSecret = await loadSecret(
    {
      name: 'LATCHKEY_AUTH_SECRET',
      value: config.authSecret,
      file: config.authSecretFile,
      inventedFile: madeSecretFile(config.dataDir, 'auth.secret'),
      mayInvent: isEmbedded && config.isLoopback,
    },
    say,
  );
  const operatorToken = await loadOptionalSecret({
    name: 'LATCHKEY_OPERATOR_TOKEN',
    value: config.operatorToken,
    file: config.operatorTokenFile,
  });
  const egress = createEgress({ allowedPrivateHosts: config.allowedPrivateHosts });
  const mailer = config.mail === null ? null : new Mailer(config.mail);
  const changes = new Changes();
  const running = new RunningAnswers(config.answerLimits);
  const work = new Set<Promise<void>>();
  const deps: AnswerDeps = {
    db,
    changes,
    rootKeys,
    running,
    providers: createProviders({ egress, urls: config.providerUrls }),
    checkLimits: new CheckLimits(config.attempts, config.unlimitedNetworks),
    checks: new SingleFlight(),
    requireSealedKeys: config.requireSealedKeys,
    allowedPrivateHosts: config.allowedPrivateHosts,
    writerId: newId('run'),
    track(promise) {
      work.add(promise);
      void promise.finally(() => work.delete(promise));
    },
  };
  await saveDefaultPlan(db, config.defaultPlan);
  const interrupted = await recoverAnswers(deps);
  if (interrupted > 0) log.warn({ answers: interrupted }, 'answers of an earlier run were interrupted');
  // The embedded database admits one process, so nobody else could read this.
  const removeRecord = isEmbedded ? undefined : await recordRoots(deps, deps.writerId);
  const stopCheckpoints = startCheckpoints(deps);
  const stopRechecks = startRechecks(deps, recheckEveryMs);
  const stopSweeps = startSessionSweeps(deps);

  async function endAnswers(): Promise<void> {
    const ended = running.close();
    const ending = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
    const begun = running.begun();
    await Promise.all(begun.map((live) => endAnswer(deps, live, ending)));
    // Those that are being committed now begin, find the server closing, and end too.
    await ended;
    await untilTold(begun);
  }

  return {
    ...deps,
    engine: database.engine,
    authSecret,
    operatorToken,
    mailer,
    invitationLimits: new InvitationLimits(),
    sends: new SingleFlight(),
    modelViewCache: new ModelViewCache(),
    accessBatch: new AccessBatch(db),
    sharedReads: new SharedReads(changes),
    isInvited: (token) => isInvited({ db }, token),
    removeAccount: (userId) => removeAccount(deps, userId),
    endAnswers,
    async close() {
      await stopRechecks();
      await stopSweeps();
      await endAnswers();
      await Promise.all(work);
      await stopCheckpoints();
      await mailer?.close();
      await egress.close();
      await removeRecord?.();
      await database.close();
    },
  };
}

/** Waits until every follower knows, for as long as more of them do: one that has stopped reading is not waited for. */
async function untilTold(ended: readonly LiveAnswer[]): Promise<void> {
  let left = ended.length;
  const told = Promise.all(
    ended.map(async (live) => {
      await live.told;
      left -= 1;
    }),
  );
  const giveUpAtMs = performance.now() + LONGEST_FAREWELL_MS;
  for (let before = Number.POSITIVE_INFINITY; left > 0 && left < before && performance.now() < giveUpAtMs; ) {
    before = left;
    await Promise.race([told, sleep(FAREWELL_MS, undefined, { ref: false })]);
  }
}

const FAREWELL_MS = 2_000;
const LONGEST_FAREWELL_MS = 5_000; // service managers wait ten seconds or more before they kill
