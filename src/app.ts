import { setTimeout as sleep } from 'node:timers/promises';
import packageFile from '../package.json' with { type: 'json' };
import { SWEEP_SESSIONS_EVERY_MS, sweepExpired } from './accounts/sweep-sessions.ts';
import { interruptAbandoned } from './answers/abandoned.ts';
import { startCheckpoints } from './answers/checkpoint.ts';
import type { AnswerDeps } from './answers/commit-answers.ts';
import { endAnswer } from './answers/end-answer.ts';
import type { LiveAnswer } from './answers/live-answer.ts';
import { RemoteAnswers } from './answers/remote-answers.ts';
import { RemoteFollowers } from './answers/remote-followers.ts';
import { RunningAnswers } from './answers/running.ts';
import type { SendDeps } from './answers/send-message.ts';
import { startTakeOvers } from './answers/take-over.ts';
import type { Bus } from './bus/bus.ts';
import { openBus } from './bus/open-bus.ts';
import { loadRedisAccess } from './bus/redis-access.ts';
import { Changes } from './changes.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Config } from './config.ts';
import { type Database, type OpenDatabase, openDatabase } from './db/database.ts';
import type { FileDeps } from './files/file-deps.ts';
import { FileUrls } from './files/file-urls.ts';
import { openFileStore } from './files/open-store.ts';
import { ReadingQueue } from './files/reading/reading-queue.ts';
import { startFileWork } from './files/start-file-work.ts';
import { UploadLimits } from './files/upload-limits.ts';
import { ServerLease } from './fleet/lease.ts';
import { isOldestServer, readInstallationId, requireSameSecrets } from './fleet/running-servers.ts';
import { FLEET_TIMES, type FleetTimes } from './fleet/times.ts';
import { AccessBatch, rememberThread } from './follow/access-watch.ts';
import { ChangeLooks } from './follow/change-looks.ts';
import { ModelViewCache } from './follow/model-view-cache.ts';
import { SharedReads } from './follow/shared-reads.ts';
import { rememberAdded } from './follow/thread.ts';
import type { ServerInfo } from './graphql/context.ts';
import { shareSent } from './graphql/sent-message.ts';
import { CheckLimits } from './keys/check-limits.ts';
import { startRechecks } from './keys/recheck.ts';
import { rowsByRootId } from './keys/rotate.ts';
import { openLimits } from './limits/open-limits.ts';
import type { CreateWindow } from './limits/sliding-window.ts';
import { log } from './log.ts';
import { Mailer } from './mail.ts';
import { createEgress } from './providers/http/egress.ts';
import { createProviders } from './providers/registry.ts';
import { startRounds } from './rounds.ts';
import { SingleFlight } from './single-flight.ts';
import { loadRootKeys } from './vault/root-key.ts';
import { loadOptionalSecret, loadSecret, madeSecretFile } from './vault/secret-source.ts';
import { waited } from './waited.ts';
import { removeAccount } from './workspaces/delete-account.ts';
import { InvitationLimits } from './workspaces/invitation.ts';
import { isInvited } from './workspaces/invite.ts';
import { saveDefaultPlan } from './workspaces/plan.ts';

/** The server without its sockets: everything that resolvers work with. */
export interface App extends SendDeps, FileDeps {
  engine: string;
  /** Signs sessions. */
  authSecret: string;
  /** A request that carries it acts as the operator; null if none can. */
  operatorToken: string | null;
  /** Null if no mail server is set. */
  mailer: Mailer | null;
  /** Opens the window of a rate limit. */
  createWindow: CreateWindow;
  invitationLimits: InvitationLimits;
  modelViewCache: ModelViewCache;
  accessBatch: AccessBatch;
  changeLooks: ChangeLooks;
  sharedReads: SharedReads;
  /** Facts about this server that clients may read without a session. */
  serverInfo: ServerInfo;
  /** Whether this is the token of an open invitation, with which a person may sign up. */
  isInvited(token: string): Promise<boolean>;
  /** Deletes an account with everything that is its own. Throws ConflictError if it cannot be deleted. */
  removeAccount(userId: string): Promise<void>;
  /** Begins no further answers, and waits until the running ones have ended, or until the signal. */
  drain(until: AbortSignal): Promise<void>;
  /** Accepts no further answers, ends running ones as INTERRUPTED and waits until their followers have received the end. */
  endAnswers(): Promise<void>;
  /** Ends the answers, then closes everything in reverse order. */
  close(): Promise<void>;
}

/** Opens database, keys, providers and answers, in that order. `report` receives sentences about new secrets and migrations. */
export async function openApp(
  config: Config,
  report: (sentence: string) => void,
  options: AppOptions = {},
): Promise<App> {
  const database = options.database ?? (await openDatabase(config, report));
  try {
    return await openOn(database, config, report, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** What the command line and tests add. */
export interface AppOptions {
  /** A database that is already open, which is closed with the app; tests share one. */
  database?: OpenDatabase;
  /** Longest time between two searches for keys that are due to be checked. */
  recheckEveryMs?: number;
  times?: FleetTimes;
  /** Called when another server has taken the database from a lone one. */
  onLost?: () => void;
  /** Whether other servers use the database at the same time, also without REDIS_URL. */
  isShared?: boolean;
  /** In the place of the one over Redis. */
  bus?: Bus;
}

async function openOn(
  database: OpenDatabase,
  config: Config,
  report: (sentence: string) => void,
  options: AppOptions,
): Promise<App> {
  const { recheckEveryMs, times = FLEET_TIMES } = options;
  const { db, heartbeatDb } = database;
  const isEmbedded = config.databaseUrl === undefined;
  const rootKeys = await loadRootKeys({
    rootKey: config.rootKey,
    rootKeyFile: config.rootKeyFile,
    dataDir: config.dataDir,
    isEmbedded,
    isLoopback: config.isLoopback,
    rowsByRootId: () => rowsByRootId(db),
    report,
  });
  const authSecret = await loadSecret(
    {
      name: 'LATCHKEY_AUTH_SECRET',
      value: config.authSecret,
      file: config.authSecretFile,
      inventedFile: madeSecretFile(config.dataDir, 'auth.secret'),
      mayInvent: isEmbedded && config.isLoopback,
    },
    report,
  );
  const operatorToken = await loadOptionalSecret({
    name: 'LATCHKEY_OPERATOR_TOKEN',
    value: config.operatorToken,
    file: config.operatorTokenFile,
  });
  const fileStore = await openFileStore(config.files);
  const isShared = config.redis !== undefined || options.isShared === true;
  const facts = { rootIds: rootKeys.map(({ id }) => id), authSecret };
  if (isShared) await requireSameSecrets(db, facts);
  const redis = config.redis && (await loadRedisAccess(config.redis));
  const installation = { installationId: await readInstallationId(db), authSecret };
  // A connection that is left open would keep a process alive whose start has failed.
  await using opening = new AsyncDisposableStack();
  const limits = await openLimits(redis, installation);
  opening.defer(limits.close);
  const bus = options.bus ?? (await openBus(redis, { ...installation, pulseMs: times.pulseMs }));
  opening.defer(() => bus.close());
  const egress = createEgress({ allowedPrivateHosts: config.allowedPrivateHosts });
  const mailer = config.mail === null ? null : new Mailer(config.mail);
  const changes = new Changes((topic, ids) => bus.announce(topic, ids));
  const changeLooks = new ChangeLooks({ db, changes }, isShared ? times.lookForChangesMs : null);
  bus.listen({
    onAnnounced: (topic, ids) => changes.receive(topic, ids),
    onGap: () => changeLooks.lookWithin(times.pulseMs),
  });
  const sharedReads = new SharedReads(changes);
  const running = new RunningAnswers(config.answerLimits);
  const remoteAnswers = new RemoteAnswers({ db, changes, bus }, times);
  const remoteFollowers = new RemoteFollowers({ bus, running }, times);
  const lease = await ServerLease.begin(db, facts, times, (serverId) => bus.setServerId(serverId));
  const work = new Set<Promise<void>>();
  const closingFiles = new AbortController();
  const readingQueue = new ReadingQueue();
  if (isShared && config.files.isForOneServer) report(SHARE_FILES_SENTENCE);
  const deps: AnswerDeps & FileDeps & { heartbeatDb: Database } = {
    db,
    heartbeatDb,
    bus,
    changes,
    rootKeys,
    lease,
    running,
    mayShow: () => !isShared || lease.isCertain,
    mostOfPerson: isShared ? config.answerLimits.perPerson : null,
    remoteAnswers,
    cachesPrompts: config.cachesPrompts,
    providers: createProviders({ egress, urls: config.providerUrls }),
    checkLimits: new CheckLimits(config.attempts, config.unlimitedNetworks, limits.createWindow),
    checks: new SingleFlight(),
    requireSealedKeys: config.requireSealedKeys,
    allowedPrivateHosts: config.allowedPrivateHosts,
    fileStore,
    fileUrls: new FileUrls(authSecret),
    fileNumbers: config.files.numbers,
    uploadLimits: new UploadLimits(config.files.numbers, limits.createWindow),
    filesClosing: closingFiles.signal,
    readingQueue,
    textReads: new ConcurrencyLimit(TEXT_READS_AT_ONCE),
    track(promise) {
      work.add(promise);
      void promise.finally(() => work.delete(promise));
    },
  };
  await saveDefaultPlan(db, config.defaultPlan);
  const interrupted = await interruptAbandoned(deps);
  if (interrupted > 0) log.warn({ answers: interrupted }, 'answers of an earlier run were interrupted');
  await database.confirmProgram();
  const renewMs = isShared ? times.beatMs : isEmbedded ? Number.POSITIVE_INFINITY : times.leaseMs / 3;
  const giveUpMs = isShared ? 4 * times.leaseMs : Number.POSITIVE_INFINITY;
  // A lone server that lost its lease has lost the database to another one.
  const onLeaseLost = async () => (isShared ? await lease.beginAgain() : options.onLost?.());
  const checkpointDeps = { ...deps, onLeaseLost };
  const stopCheckpoints = startCheckpoints(checkpointDeps, { beatMs: times.beatMs, renewMs, giveUpMs });
  const stopTakeOvers = isShared ? startTakeOvers(deps, times) : async () => {};
  const stopRechecks = startRechecks(deps, recheckEveryMs);
  const isTurn = () => isOldestServer(db, lease);
  const stopSessionSweeps = startRounds({
    isTurn,
    work: () => sweepExpired(deps),
    everyMs: SWEEP_SESSIONS_EVERY_MS,
    whenItFails: 'expired sessions could not be deleted',
  });
  const stopFileWork = await startFileWork(deps, { isAlone: !isShared, isTurn });

  async function drain(until: AbortSignal): Promise<void> {
    await Promise.race([running.drain(), waited(LONGEST_DRAIN_MS, until)]);
  }

  async function endAnswers(): Promise<void> {
    const ended = running.close();
    const ending = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
    const begun = running.begun();
    await Promise.all(begun.map((live) => endAnswer(deps, live, ending)));
    // Answers whose transaction is being committed now start, find the server closing, and end too.
    await ended;
    await untilDelivered(begun);
  }

  opening.move();
  return {
    ...deps,
    engine: database.engine,
    authSecret,
    operatorToken,
    mailer,
    createWindow: limits.createWindow,
    invitationLimits: new InvitationLimits(limits.createWindow),
    sends: new SingleFlight(),
    modelViewCache: new ModelViewCache(),
    accessBatch: new AccessBatch(db),
    changeLooks,
    sharedReads,
    onSent(viewer, sent) {
      rememberThread(sharedReads, viewer, sent.thread);
      rememberAdded(sharedReads, sent.thread.id, [sent.userMessage, ...sent.answers]);
      shareSent(sharedReads, viewer, sent);
    },
    serverInfo: {
      version: packageFile.version,
      signUp: SIGN_UP[config.signUp],
      canResetPassword: mailer !== null,
      maxFileBytes: config.files.numbers.maxFileBytes,
      maxAnswersAtOnce: config.answerLimits.perPerson,
    },
    isInvited: (token) => isInvited({ db }, token),
    removeAccount: (userId) => removeAccount(deps, userId),
    drain,
    endAnswers,
    async close() {
      await stopRechecks();
      await stopSessionSweeps();
      await stopFileWork();
      closingFiles.abort();
      await readingQueue.close();
      await endAnswers();
      await Promise.all(work);
      await stopTakeOvers();
      await changeLooks.close();
      await remoteAnswers.close();
      remoteFollowers.close();
      await stopCheckpoints();
      await lease.end();
      await bus.close();
      await mailer?.close();
      await egress.close();
      limits.close();
      await database.close();
    },
  };
}

/** Waits until every follower has received the end, and stops waiting when no more of them do: a reader may be stalled. */
async function untilDelivered(ended: readonly LiveAnswer[]): Promise<void> {
  let left = ended.length;
  const delivered = Promise.all(
    ended.map(async (live) => {
      await live.delivered;
      left -= 1;
    }),
  );
  const giveUpAtMs = performance.now() + LONGEST_DELIVERY_MS;
  for (let before = Number.POSITIVE_INFINITY; left > 0 && left < before && performance.now() < giveUpAtMs; ) {
    before = left;
    await Promise.race([delivered, sleep(DELIVERY_STEP_MS, undefined, { ref: false })]);
  }
}

const SIGN_UP = { open: 'OPEN', invited: 'INVITED', closed: 'CLOSED' } as const;

const SHARE_FILES_SENTENCE =
  'Uploaded files are kept in the data folder of this server alone. Set LATCHKEY_FILES_DIR to a folder that all servers share, or LATCHKEY_S3_BUCKET.';

const TEXT_READS_AT_ONCE = 4; // of at most 3 MB each
const LONGEST_DRAIN_MS = 60 * 60_000; // longer than any answer
const DELIVERY_STEP_MS = 2_000;
const LONGEST_DELIVERY_MS = 5_000; // service managers wait ten seconds or more before they kill
