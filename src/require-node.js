/**
 * Ends the process with a sentence where Node is too old to read TypeScript. It is plain JavaScript and loaded before everything
 * else (`node --import`), since an old Node would otherwise end with a stack trace.
 */
const OLDEST = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST) {
  process.stderr.write(
    `Latchkey needs Node ${OLDEST} or newer, and this is Node ${process.versions.node}. npm scripts use the one that npm ci installs; ` +
      'after npm ci --ignore-scripts, run: npm rebuild node. Elsewhere, install a newer Node or use node_modules/.bin/node.\n',
  );
  process.exit(78); // EX_CONFIG of sysexits.h
}
