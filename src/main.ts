import './require-node.js'; // first: what follows needs a newer Node than some have
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { explainFailure } from './command/exit-code.ts';
import { HELP, UsageError } from './command/help.ts';
import { hasLostOutput, print, printError, printLine } from './command/terminal.ts';
import { type Config, takeConfig, unknownSettings } from './config.ts';
import { failureName, log, logOutput } from './log.ts';

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.on('exit', () => {
  if (hasLostOutput()) process.exitCode ||= 1; // a command whose output was lost has failed
});

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  const { sentence, exitCode } = explainFailure(error);
  printError(sentence);
  process.exitCode = exitCode;
}

/** Runs the command of the arguments and returns the exit code. Each command loads only what it needs, so that `--help` is fast. */
async function run([command = 'serve', ...rest]: string[]): Promise<number> {
  switch (command) {
    case '--help':
    case '-h':
    case 'help':
      print(HELP);
      return 0;
    case '--version':
      printLine(readVersion());
      return 0;
    case 'serve': {
      readArguments(rest, {}, 0);
      const { serve } = await import('./command/serve.ts');
      const exitCode = await serve(readSettings());
      await logOutput.flush();
      return process.exit(exitCode); // lines in a pipe without a reader would keep the process alive
    }
    case 'migrate': {
      readArguments(rest, {}, 0);
      const { migrate } = await import('./command/migrate.ts');
      return await migrate(readSettings());
    }
    case 'database': {
      const { words, options } = readArguments(rest, { to: { type: 'string' } }, 1);
      const { runDatabaseCommand } = await import('./command/database.ts');
      return await runDatabaseCommand(readSettings, words, options.to);
    }
    case 'keys': {
      const { words } = readArguments(rest, {}, 2);
      const { runKeysCommand } = await import('./command/keys.ts');
      return await runKeysCommand(readSettings, words);
    }
    case 'audit': {
      const { words, options } = readArguments(rest, { head: { type: 'string', multiple: true } }, 1);
      const { runAuditCommand } = await import('./command/audit.ts');
      return await runAuditCommand(readSettings, words, options.head ?? []);
    }
    case 'user': {
      const { words, options } = readArguments(rest, { name: { type: 'string' } }, 2);
      if (words[0] !== 'add') {
        const { runPeopleCommand } = await import('./command/people.ts');
        return await runPeopleCommand(readSettings, words);
      }
      const { addUser } = await import('./command/user.ts');
      return await addUser(readSettings, words, options.name);
    }
    case 'plan': {
      const { words } = readArguments(rest, {}, 3);
      const { runPlanCommand } = await import('./command/plan.ts');
      return await runPlanCommand(readSettings, words);
    }
    case 'simulator': {
      const { options } = readArguments(rest, { port: { type: 'string' } }, 0);
      const { simulate } = await import('./command/simulate.ts');
      return await simulate(options.port);
    }
    case 'demo': {
      const { options } = readArguments(rest, { once: { type: 'boolean' } }, 0);
      const { runDemo } = await import('./demo/demo.ts');
      return await runDemo({ port: process.env.PORT ?? '0', isOnce: options.once === true });
    }
    default:
      throw new UsageError(`There is no command "${command}".`);
  }
}

function readSettings(): Config {
  for (const name of unknownSettings(process.env))
    printError(`${name} is not a setting of Latchkey and changes nothing. Is it spelled right?`);
  const config = takeConfig(process.env);
  log.level = config.logLevel;
  return config;
}

type Options = Record<string, { type: 'string' | 'boolean'; multiple?: boolean }>;

/** The options of a command and at most so many words besides. Throws UsageError. */
function readArguments<Known extends Options>(args: string[], options: Known, wordsAtMost: number) {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true });
    const surplus = parsed.positionals[wordsAtMost];
    if (surplus !== undefined) throw new UsageError(`"${surplus}" is one word too many.`);
    return { words: parsed.positionals, options: parsed.values };
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof TypeError)) throw error;
    throw new UsageError(error.message);
  }
}

function readVersion(): string {
  const file = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return `Latchkey ${(JSON.parse(file) as { version: string }).version}`;
}

/** Ends the process after a failure that no code caught: its state is unknown then. */
function crash(error: unknown): void {
  log.fatal({ failure: failureName(error) }, 'an unexpected failure ended the process');
  process.exit(1);
}
