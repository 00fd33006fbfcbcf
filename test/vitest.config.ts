import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take a minute each. They begin first, or one worker would be at one of them long after the other is done. */
const LONG = [
  'tenancy',
  'faults',
  'tenancy-allowed',
  'command',
  'rotate-kill',
  'database-copy',
  'shutdown',
  'revocation',
];

/** They look into the process of a server, or count what one process counts by itself: not for LATCHKEY_TEST_SERVERS. */
const IN_ONE_PROCESS = [
  'answer-ends',
  'answer-usage',
  'citations',
  'document-cache',
  'event-stream',
  'front-page',
  'hanging-lists',
  'key-health',
  'secrecy',
  'doors-corpus',
  'doors-fair',
  'doors-unread',
  'key-check-races',
  'key-recheck',
  'limits',
  'log',
  'redis-connection',
  'request-deadlines',
  'statements',
];

/** What they count or want to hear of, several servers count together, or tell each other, in Redis alone. */
const TOGETHER = [
  'account-removal',
  'attempt-limits',
  'caches',
  'invitations',
  'mail',
  'operator-token',
  'api-keys',
];

/** What tests of several servers leave out. */
const EXCLUDED =
  process.env.LATCHKEY_TEST_SERVERS === undefined
    ? []
    : [...IN_ONE_PROCESS, ...(process.env.LATCHKEY_TEST_BUS === 'redis' ? [] : TOGETHER)];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) =>
      LONG.some((name) => moduleId.endsWith(`/${name}.test.ts`));
    const rest = files.filter((file) => !isLong(file));
    return [...files.filter(isLong), ...(await super.sort(rest))];
  }
}

export default defineConfig({
  // graphql ships two builds; without these conditions Vite picks another one than Node does for the packages outside.
  ssr: { resolve: { conditions: ['module', 'module-sync', 'node', 'import', 'default'] } },
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    exclude: EXCLUDED.map((name) => `test/${name}.test.ts`),
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/kit/quiet-log.ts'],
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 20_000,
    hookTimeout: 120_000,
  },
});
