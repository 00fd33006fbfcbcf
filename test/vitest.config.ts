import { defineConfig } from 'vitest/config';

export default defineConfig({
  // graphql ships two builds; without these conditions Vite picks another one than Node does for the packages outside.
  ssr: { resolve: { conditions: ['module', 'module-sync', 'node', 'import', 'default'] } },
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    setupFiles: ['test/kit/quiet-log.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
