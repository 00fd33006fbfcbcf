import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { readConfig, takeConfig, unknownSettings } from '../src/config.ts';
import { startSimulator } from '../src/simulator/simulator.ts';
import { readAnswer } from './kit/answer.ts';
import { newDataFolder, runCommand, startCommand, startServe } from './kit/command.ts';
import { personOf, signUp } from './kit/person.ts';

/** Opening a database in a process of its own takes seconds on a busy machine. */
const PROCESS_TIMEOUT_MS = 60_000;

const KEY = 'p0v0sGJYkTbT1wJq7k3n8m2cX4yZ5aB6dE9fH0iLuNw=';

describe('what cannot be done is refused with a sentence and an exit code', () => {
  test.each([
    {
      title: 'an unknown command',
      words: ['sevre'],
      exitCode: 64,
      sentence: 'There is no command "sevre". Run it with --help to see what there is.',
    },
    {
      title: 'an unknown option',
      words: ['serve', '--prot', '5000'],
      exitCode: 64,
      sentence: /^Unknown option '--prot'.* Run it with --help to see what there is\.$/,
    },
    { title: 'keys without an action', words: ['keys'], exitCode: 64, sentence: /verify, rotate-root/ },
    {
      title: 'rotate-owner without a workspace',
      words: ['keys', 'rotate-owner'],
      exitCode: 64,
      sentence: /needs the id of a workspace/,
    },
    {
      title: 'an account without a name',
      words: ['user', 'add', 'a@b.example'],
      exitCode: 64,
      sentence: /--name/,
    },
    {
      title: 'a PORT that is none',
      env: { PORT: '80a' },
      exitCode: 78,
      sentence: 'PORT is not a port: "80a". Set a number from 0 to 65535.',
    },
    {
      title: 'a root key from two sources',
      env: { LATCHKEY_ROOT_KEY: KEY, LATCHKEY_ROOT_KEY_FILE: '/run/key' },
      exitCode: 78,
      sentence: 'LATCHKEY_ROOT_KEY and LATCHKEY_ROOT_KEY_FILE are both set. Keep one of them.',
    },
    {
      title: 'a database server without a root key, before it is dialled',
      env: { DATABASE_URL: 'postgres://nobody:hush@database.invalid/latchkey' },
      exitCode: 78,
      sentence: /^LATCHKEY_ROOT_KEY_FILE is not set\..* openssl rand -base64 32/,
    },
    {
      title: 'an address that others reach without a root key',
      env: { HOST: '0.0.0.0', LATCHKEY_PUBLIC_URL: 'https://chat.example.com' },
      exitCode: 78,
      sentence: /^LATCHKEY_ROOT_KEY_FILE is not set\./,
    },
    {
      title: 'keys verify where no server has ever run',
      words: ['keys', 'verify'],
      exitCode: 78,
      sentence: /^LATCHKEY_ROOT_KEY_FILE is not set\./,
    },
  ])(
    '$title',
    async ({ words = ['serve'], env = {}, exitCode, sentence }) => {
      const result = await runCommand(words, { LATCHKEY_DATA_DIR: await newDataFolder(), PORT: '0', ...env });
      expect(result).toEqual({ exitCode, out: '', error: expect.stringMatching(sentence) });
      expect(result.error).not.toContain('hush');
    },
    PROCESS_TIMEOUT_MS,
  );

  test(
    'a PORT that another process listens on',
    async () => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const PORT = String((other.address() as AddressInfo).port);
      const { exitCode, error } = await runCommand(['serve'], {
        LATCHKEY_DATA_DIR: await newDataFolder(),
        PORT,
      });
      other.close();
      expect(exitCode).toBe(1);
      expect(error).toBe(
        'The port is in use, maybe by another Latchkey. Stop that one, or set PORT to another number.',
      );
    },
    PROCESS_TIMEOUT_MS,
  );
});

test.each([
  'https://gateway.example.com/v1?team=a',
  'https://gateway.example.com/v1#',
  'https://a:b@gateway.example.com/v1',
])(
  'a provider’s URL in the settings has no query, fragment or user name, and the sentence does not repeat it: %s',
  (url) => {
    expect(() => readConfig({ LATCHKEY_PROVIDER_URLS: JSON.stringify({ OPENAI: url }) })).toThrow(
      'LATCHKEY_PROVIDER_URLS has a query, a fragment or a user name in the URL for OPENAI. Leave it out. ' +
        'Write JSON like {"OPENAI":"https://gateway.example.com/v1"}.',
    );
  },
);

test('--help names every command and --version the version', async () => {
  const help = await runCommand(['--help']);
  for (const command of [
    'serve',
    'demo',
    'simulator',
    'migrate',
    'database copy',
    'user add',
    'keys verify',
    'keys rotate-root',
  ])
    expect(help.out).toContain(command);
  expect(await runCommand(['--version'])).toEqual({ exitCode: 0, out: 'Latchkey 0.1.0', error: '' });
});

test(
  'a misspelled setting is named, and the server starts all the same',
  async () => {
    const env = { LATCHKEY_DATA_DIR: await newDataFolder(), PORT: '0', LATCHKEY_SIGNUP: 'closed' };
    const command = startCommand([], env);
    await command.line(/Latchkey is ready/);
    command.process.kill('SIGINT');
    expect(await command.ended).toMatchObject({
      exitCode: 0,
      error: 'LATCHKEY_SIGNUP is not a setting of Latchkey and changes nothing. Is it spelled right?',
    });
  },
  PROCESS_TIMEOUT_MS,
);

test(
  'a restart keeps people, keys, threads and messages, and makes no second secret',
  async () => {
    const simulator = await startSimulator({ paceMs: 0 });
    const { CUSTOM: _, ...urls } = simulator.baseUrls;
    const env = { LATCHKEY_DATA_DIR: await newDataFolder(), LATCHKEY_PROVIDER_URLS: JSON.stringify(urls) };

    const first = await startServe(env);
    const ada = await signUp(first.url);
    const { models } = await ada.addKey('OPENAI');
    const model = models.find(({ name }) => name === 'gpt-4.1-nano') ?? { id: '' };
    const sent = await ada.ask('What is kept?', [model]);
    const socket = ada.socket();
    const { end: answer } = await readAnswer(socket, sent.answers[0]?.id ?? '');
    await socket.dispose();
    const before = await ada.run('thread', { id: sent.thread.id });
    const firstResult = await first.stop();
    expect(firstResult).toMatchObject({ exitCode: 0, error: '' });
    expect(firstResult.out.match(/Made /g)).toHaveLength(2);

    const verified = await runCommand(['keys', 'verify'], env);
    expect(verified).toMatchObject({ exitCode: 0, error: '' });
    expect(verified.out).toContain('Every key opens: 1 key and 1 audit log.');

    const second = await startServe(env);
    const again = await personOf(second.url, ada.email, ada.token);
    expect(again.workspaceId).toBe(ada.workspaceId);
    expect(await again.run('thread', { id: sent.thread.id })).toEqual(before);
    const next = await again.ask('And now?\nsimulate: echo', [model], sent.thread.id);
    const nextSocket = again.socket();
    const { end: echo } = await readAnswer(nextSocket, next.answers[0]?.id ?? '');
    await nextSocket.dispose();
    expect(JSON.parse(echo?.answer.text ?? '').turns.map((turn: { text: string }) => turn.text)).toEqual([
      'What is kept?',
      answer?.answer.text,
      'And now?\nsimulate: echo',
    ]);
    const { exitCode, out } = await second.stop();
    expect(exitCode).toBe(0);
    expect(out).not.toContain('Made ');
    await simulator.close();
  },
  PROCESS_TIMEOUT_MS,
);

test(
  'an operator makes an account where sign-up is closed, and its password is never in an argument',
  async () => {
    const env = { LATCHKEY_DATA_DIR: await newDataFolder(), LATCHKEY_SIGN_UP: 'closed' };
    const words = ['user', 'add', 'grace@example.com', '--name', 'Grace'];
    expect(await runCommand(words, env, 'short\n')).toEqual({
      exitCode: 1,
      out: '',
      error: 'The password is too short. It needs at least 8 characters.',
    });
    expect(await runCommand(words, env, 'correct horse battery\n')).toEqual({
      exitCode: 0,
      out: 'Made an account for grace@example.com.',
      error: '',
    });
    expect(await runCommand(words, env, 'correct horse battery\n')).toMatchObject({
      exitCode: 1,
      error: 'There is an account with this email address already.',
    });
    const server = await startServe(env);
    await expect(signUp(server.url)).rejects.toThrow('sign-up failed: 403');
    const response = await fetch(`${server.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url },
      body: JSON.stringify({ email: 'grace@example.com', password: 'correct horse battery' }),
    });
    expect(await response.json()).toMatchObject({ user: { name: 'Grace' } });
    await server.stop();
  },
  PROCESS_TIMEOUT_MS,
);

test(
  'the simulator says how to use it and stops on a signal',
  async () => {
    const command = startCommand(['simulator', '--port', '0']);
    const line = await command.line(/^LATCHKEY_PROVIDER_URLS=/);
    const urls = JSON.parse(/'(.*)'/.exec(line)?.[1] ?? '') as Record<string, string>;
    const response = await fetch(`${urls.OPENAI}/models`, { headers: { authorization: 'Bearer sk-any' } });
    expect(response.status).toBe(200);
    await response.body?.cancel();
    command.process.kill('SIGTERM');
    expect(await command.ended).toMatchObject({ exitCode: 0, error: '' });
  },
  PROCESS_TIMEOUT_MS,
);

describe('settings', () => {
  test('private hosts are written as the URL of a key will be', () => {
    const read = (text: string) => readConfig({ LATCHKEY_ALLOWED_PRIVATE_HOSTS: text }).allowedPrivateHosts;
    expect(read('Ollama.LAN:11434, [0:0::1]:8080,127.0.0.1:080')).toEqual([
      'ollama.lan:11434',
      '[::1]:8080',
      '127.0.0.1:80',
    ]);
    for (const wrong of ['ollama.lan', '::1:8080', 'host:0', 'host:70000', 'http://host:80', '[zz]:1'])
      expect(() => read(wrong)).toThrow(`LATCHKEY_ALLOWED_PRIVATE_HOSTS has "${wrong}".`);
  });

  test('every setting that is read is known, and secrets leave the environment once they are read', () => {
    const names: string[] = [];
    const spy = new Proxy({}, { get: (_, name) => void names.push(String(name)) });
    readConfig(spy);
    expect(unknownSettings(Object.fromEntries(names.map((name) => [name, ''])))).toEqual([]);

    const env = { LATCHKEY_ROOT_KEY: KEY, LATCHKEY_AUTH_SECRET: KEY, LATCHKEY_DATA_DIR: '/data' };
    expect(takeConfig(env)).toMatchObject({ rootKey: KEY, authSecret: KEY });
    expect(env).toEqual({ LATCHKEY_DATA_DIR: '/data' });
  });
});
