import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Person } from './follow.ts';
import { MODEL } from './run.ts';

export interface RunningLatchkey {
  pid: number;
  url: string;
  people: Person[];
  stop(): Promise<void>;
}

/** Starts the real server as a process, as an operator would, and signs people up who each have a key. */
export async function startLatchkey(options: {
  /** Folder of the sources. */
  checkout: string;
  /** PostgreSQL server; undefined for the embedded database. */
  databaseUrl: string | undefined;
  providerUrl: string;
  people: number;
  /** For `node`, e.g. `--cpu-prof`. */
  nodeFlags: readonly string[];
}): Promise<RunningLatchkey> {
  const dataDir = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  const child = spawn(process.execPath, [...options.nodeFlags, 'src/main.ts', 'serve'], {
    cwd: options.checkout,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PORT: '0',
      LATCHKEY_DATA_DIR: dataDir,
      LATCHKEY_ALLOWED_PRIVATE_HOSTS: new URL(options.providerUrl).host,
      LATCHKEY_ROOT_KEY: secret(),
      LATCHKEY_AUTH_SECRET: secret(),
      ...(options.databaseUrl !== undefined && { DATABASE_URL: options.databaseUrl }),
    },
  });
  async function stop(): Promise<void> {
    const gone = once(child, 'exit');
    if (child.exitCode === null && child.kill()) await gone;
    rmSync(dataDir, { recursive: true });
  }
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.once('exit', () => reject(new Error('Latchkey did not start')));
      createInterface(child.stdout).on('line', (line) => {
        const entry = JSON.parse(line) as { level: number; msg: string; url?: string };
        if (entry.url !== undefined) resolve(entry.url);
        else if (entry.level > INFO) process.stderr.write(`${line}\n`);
      });
    });
    const people: Person[] = [];
    for (let index = 0; index < options.people; index += 1)
      people.push(await signUp(url, options.providerUrl, index));
    return { pid: child.pid ?? 0, url, people, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const INFO = 30; // pino's number

function secret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64');
}

async function signUp(url: string, baseUrl: string, index: number): Promise<Person> {
  const response = await fetch(`${url}/api/auth/sign-up/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({
      name: 'Ada',
      email: `ada-${index}@example.com`,
      password: 'correct horse battery',
    }),
  });
  const token = response.headers.get('set-auth-token');
  if (token === null) throw new Error(`sign-up: ${response.status} ${await response.text()}`);
  const { viewer } = await post<{ viewer: { personalWorkspace: { id: string } } }>(
    url,
    token,
    '{ viewer { personalWorkspace { id } } }',
  );
  const workspaceId = viewer.personalWorkspace.id;
  const { addApiKey } = await post<{ addApiKey: { models: { id: string; name: string }[] } }>(
    url,
    token,
    `mutation ($input: AddApiKeyInput!) {
      addApiKey(input: $input) { ... on AddApiKeyPayload { models { id name } } ... on UserError { message } }
    }`,
    { input: { workspaceId, provider: 'CUSTOM', secret: 'sk-bench', baseUrl } },
  );
  const model = addApiKey.models?.find(({ name }) => name === MODEL);
  if (model === undefined) throw new Error(`addApiKey: ${JSON.stringify(addApiKey)}`);
  return { token, workspaceId, modelId: model.id };
}

async function post<Data>(url: string, token: string, query: string, variables = {}): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors !== undefined) throw new Error(JSON.stringify(errors));
  return data;
}
