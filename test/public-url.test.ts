import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';

test.each([
  ['nothing is set', {}, false],
  ['the public URL is this machine', { LATCHKEY_PUBLIC_URL: 'http://localhost:4000' }, false],
  ['the public URL is this machine in numbers', { LATCHKEY_PUBLIC_URL: 'http://[::1]:4000' }, false],
  ['a proxy on this machine brings others', { LATCHKEY_PUBLIC_URL: 'https://chat.example.com' }, true],
  ['HOST merely looks like this machine', { HOST: '127.0.0.1.example.com' }, true],
  ['HOST is open', { HOST: '0.0.0.0', LATCHKEY_PUBLIC_URL: 'http://127.0.0.1:4000' }, true],
])(
  'sign-up and GraphiQL are open by default only on a server that others cannot reach: %s',
  (_title, env, isPublic) => {
    const closed = { isPublic: true, signUp: 'invited', graphiql: false };
    const open = { isPublic: false, signUp: 'open', graphiql: true };
    expect(readConfig(env)).toMatchObject(isPublic ? closed : open);
  },
);

test('settings that are given replace the defaults of a public URL', () => {
  const env = {
    LATCHKEY_PUBLIC_URL: 'https://chat.example.com',
    LATCHKEY_SIGN_UP: 'open',
    LATCHKEY_GRAPHIQL: 'on',
  };
  expect(readConfig(env)).toMatchObject({ isPublic: true, signUp: 'open', graphiql: true });
});

test('a Node that is too old ends with a sentence before it meets TypeScript', async () => {
  const module = new URL('../src/require-node.js', import.meta.url).href;
  const old = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.20.2' })`;
  const result = promisify(execFile)(process.execPath, [
    '--import',
    old,
    '--import',
    module,
    'src/main.ts',
    '--help',
  ]);
  await expect(result).rejects.toMatchObject({
    code: 78,
    stdout: '',
    stderr: expect.stringMatching(
      /^Latchkey needs Node 24 or newer, and this is Node 20\.20\.2\. .*npm rebuild node.*\n$/,
    ),
  });
});
