import { logOutput } from '../../src/log.ts';

// Lines of servers that run in the test's own process would bury its results; `captureLog` shows them to a test.
if (process.env.LATCHKEY_TEST_REPORT === undefined) logOutput.write = () => {};
