import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnswerDeps } from './answers/begin-answers.ts';
import { startCheckpoints } from './answers/checkpoint.ts';
import { endAnswer } from './answers/end-answer.ts';
import { recoverAnswers } from './answers/recover.ts';
import { RunningAnswers } from './answers/running.ts';
import { Changes } from './changes.ts';
import type { Config } from './config.ts';
import { type OpenDatabase, openDatabase } from './db/database.ts';
import { newId } from './db/id.ts';
import { CheckLimits } from './keys/check-limits.ts';
import { loadRoots } from './keys/root-key.ts';
import { rowsByRootId } from './keys/sealing-key.ts';
import { log } from './log.ts';
import { createEgress } from './providers/egress.ts';
import { createProviders } from './providers/registry.ts';
import { loadSecret } from './secret-source.ts';

/** The product without its sockets: what resolvers and commands work with. */
export interface App extends AnswerDeps {
  engine: string;
  /** Signs sessions. */
  authSecret: string;
  /** Takes no further answers, ends those that are being written as INTERRUPTED, and tells their followers. */
  endAnswers(): Promise<void>;
  /** Ends the answers, then closes everything in reverse order. */
  close(): Promise<void>;
}

/** Opens database, keys, providers and answers, in that order. `say` tells the operator about secrets that were made. */
export async function openApp(
  config: Config,
  say: (sentence: string) => void,
  /** An embedded database that is already open; tests share one. */
  opened?: OpenDatabase,
): Promise<App> {
  const database = opened ?? (await openDatabase(config));
  try {
    return await openOn(database, config, say);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function openOn(database: OpenDatabase, config: Config, say: (sentence: string) => void): Promise<App> {
  const { db } = database;
  const isEmbedded = config.databaseUrl === undefined;
  const roots = await loadRoots({
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
      inventedFile: join(config.dataDir, 'auth.secret'),
      mayInvent: isEmbedded && config.isLoopback,
    },
    say,
  );
  const egress = createEgress({ allowedPrivateHosts: config.allowedPrivateHosts });
  const changes = new Changes();
  const running = new RunningAnswers();
  const work = new Set<Promise<void>>();
  const deps: AnswerDeps = {
    db,
    changes,
    roots,
    running,
    providers: createProviders({ egress, urls: config.providerUrls }),
    checkLimits: new CheckLimits(),
    defaultPlan: config.defaultPlan,
    requireSealedKeys: config.requireSealedKeys,
    allowedPrivateHosts: config.allowedPrivateHosts,
    writerId: newId('run'),
    track(promise) {
      work.add(promise);
      void promise.finally(() => work.delete(promise));
    },
  };
  const interrupted = await recoverAnswers(deps);
  if (interrupted > 0) log.warn({ answers: interrupted }, 'answers of an earlier run were interrupted');
  const stopCheckpoints = startCheckpoints(deps);

  async function endAnswers(): Promise<void> {
    const ended = running.close();
    const ending = { type: 'failed', status: 'INTERRUPTED', code: 'INTERRUPTED', retryAt: null } as const;
    const begun = running.begun();
    await Promise.all(begun.map((live) => endAnswer(deps, live, ending)));
    // Those that are being committed now begin, find the server closing, and end too.
    await ended;
    const told = Promise.all(begun.map((live) => live.told));
    await Promise.race([told, sleep(FAREWELL_MS, undefined, { ref: false })]);
  }

  return {
    ...deps,
    engine: database.engine,
    authSecret,
    endAnswers,
    async close() {
      await endAnswers();
      await Promise.all(work);
      await stopCheckpoints();
      await egress.close();
      await database.close();
    },
  };
}

const FAREWELL_MS = 1_000; // for a follower that has stopped reading
