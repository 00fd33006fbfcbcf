import { serve } from '../../src/command/serve.ts';
import { takeConfig } from '../../src/config.ts';
import { failureName, log } from '../../src/log.ts';
import { faster } from './faster.ts';

/** `serve` with the times of a fleet shorter by the factor that is its argument. It is started as a process of its own. */
try {
  const config = takeConfig(process.env);
  log.level = config.logLevel;
  process.exitCode = await serve(config, faster(Number(process.argv[2])));
} catch (error) {
  log.fatal({ failure: failureName(error) }, 'the server could not be started');
  process.exitCode = 1;
}
process.exit();
