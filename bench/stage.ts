import type { Cleanup } from './cleanup.ts';
import type { ClientCalls } from './clients/clients.ts';
import type { Options } from './options.ts';
import { type Helper, startHelper } from './process/helper.ts';
import { findPinning, pin } from './process/pinning.ts';
import { type Contender, type Setting, startAllPlain, startLatchkeys } from './servers/contenders.ts';
import type { ProviderCalls } from './servers/provider.ts';

/** What the scenarios share: the provider, the clients, the servers that are compared, and where each of them runs. */
export class Stage {
  readonly options: Options;
  readonly provider: Helper<ProviderCalls>;
  readonly clients: Helper<ClientCalls>;
  readonly providerUrl: string;
  readonly cleanup: Cleanup;
  readonly say: (line: string) => void;
  /** What did not count, in sentences. */
  readonly failures: string[] = [];
  readonly #pinning = findPinning();
  #isPinned = false;
  #contenders: Promise<Contender[]> | undefined;

  private constructor(
    given: Pick<Stage, 'options' | 'provider' | 'clients' | 'providerUrl' | 'cleanup' | 'say'>,
  ) {
    this.options = given.options;
    this.provider = given.provider;
    this.clients = given.clients;
    this.providerUrl = given.providerUrl;
    this.cleanup = given.cleanup;
    this.say = given.say;
  }

  static async open(options: Options, cleanup: Cleanup, say: (line: string) => void): Promise<Stage> {
    const provider = startHelper<ProviderCalls>('../servers/provider.ts');
    cleanup.add(provider.stop);
    const clients = startHelper<ClientCalls>('../clients/clients.ts');
    cleanup.add(clients.stop);
    const providerUrl = `${await provider.call('url', {})}/v1`;
    return new Stage({ options, provider, clients, providerUrl, cleanup, say });
  }

  /** The servers that are compared, which all scenarios share that do not start their own. Started when first asked for. */
  contenders(): Promise<Contender[]> {
    this.#contenders ??= this.#start();
    return this.#contenders;
  }

  /** What servers are started with, which are stopped by `cleanup`. */
  setting(cleanup: Cleanup, nodeFlags: readonly string[] = []): Setting {
    const { options, providerUrl } = this;
    const profiling =
      options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
    return { options, providerUrl, cleanup, nodeFlags: [...profiling, ...nodeFlags] };
  }

  /** Runs work whose result does not count if it throws: what was not delivered right was not measured. */
  async attempt<Result>(what: string, work: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message.slice(0, MOST_CHARACTERS) : String(error);
      this.failures.push(`${what}: ${reason}`);
      this.say(`  not counted: ${this.failures.at(-1)}`);
      await this.clients.call('close', {});
      await this.provider.call('finishAll', {});
      return undefined;
    }
  }

  /** Whether this machine can give the server under test a CPU of its own. */
  get canPin(): boolean {
    return this.#pinning !== undefined;
  }

  /** Gives the server under test a CPU which provider and clients leave to it, or lets everybody run everywhere. */
  async pin(isPinned: boolean): Promise<void> {
    if (this.#pinning === undefined) return;
    this.#isPinned = isPinned;
    for (const { pid } of [this.provider, this.clients])
      pin(pid, isPinned ? this.#pinning.others : undefined);
    this.#pinServers((await this.#contenders) ?? []);
  }

  #pinServers(servers: readonly Contender[]): void {
    if (this.#pinning === undefined) return;
    for (const { pid } of servers) pin(pid, this.#isPinned ? this.#pinning.server : undefined);
  }

  async #start(): Promise<Contender[]> {
    this.say('starting the servers');
    const setting = this.setting(this.cleanup);
    const servers = [
      ...(await startAllPlain({ ...setting, nodeFlags: [] })),
      ...(await startLatchkeys(setting)),
    ];
    this.#pinServers(servers);
    return servers;
  }
}

const MOST_CHARACTERS = 300; // an event may hold a whole answer
