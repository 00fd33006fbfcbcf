/** What `--help` prints. */
export const HELP = `Latchkey: a GraphQL backend for AI chat on your own provider keys.

  npm run latchkey -- <command>      or      node src/main.ts <command>

  serve                           Serve the API. This is what happens without a command.
  demo [--once]                   Show the whole thing with simulated providers; leaves nothing behind.
  simulator [--port <port>]       Run simulated providers by themselves. Default port: 4010.

  migrate                         Bring the database up to date. serve does so too.
  database copy --to <url>        Copy the embedded database into an empty one of a PostgreSQL server, and verify it.
                                  It can be interrupted and run again, and changes nothing in the data folder.
                                  LATCHKEY_COPY_TO instead of --to keeps the password out of the list of processes.
  user add <email> --name <name>  Make an account, also where sign-up is closed. The password is read
                                  from standard input.
  user list                       Show every account, with its open sessions.
  user disable <who>              End the sessions of a person, stop their answers and let them sign in no more.
  user enable <who>               Let them sign in again.
  user sign-out <who>             End all sessions of a person.
  user reset-password <who>       Print a link with which the person sets a new password, once and within an hour.
                                  <who> is an email, or the id of a user.

  plan show <who>                 Show the plan of an account or team. <who> is an email, or the id of either.
  plan set <who> <plan>           Set it: FREE, PREMIUM, BUSINESS, or DEFAULT for LATCHKEY_DEFAULT_PLAN.

  keys verify                     Open every saved key, changing nothing.
  keys rotate-root                Seal every key with the first root key given.
  keys rotate-owner <id>          Seal the keys of one workspace or team with a new key pair.

  audit verify [--head <head>]…   Recompute every audit log, changing nothing, and print its head. With heads of
                                  an earlier run it also finds entries that were cut off the end.

  --help, --version

Settings come from the environment: PORT, HOST, DATABASE_URL, LATCHKEY_DATA_DIR and others. With the embedded
database, stop the server before migrate, database copy, user add, plan, keys and audit: only one process at a
time can work with a data folder. The other user commands ask a running server, with LATCHKEY_OPERATOR_TOKEN_FILE.

Exit codes: 0 done · 1 failed · 64 wrong arguments · 78 wrong settings.
`;

/** Wrong arguments on the command line. The message says which. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 64; // EX_USAGE of sysexits.h

  constructor(message: string) {
    super(`${message} Run it with --help to see what there is.`);
  }
}
