import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe('text written in GraphiQL', () => {
  const tabs = JSON.stringify([{ query: 'mutation AddApiKey', variables: '{ "secret": "paste" }' }]);
  let kept: Storage;
  let lasting: Storage;
  beforeEach(() => {
    kept = storage();
    lasting = storage();
  });

  test('text written in GraphiQL is there after a reload, and goes with the tab of the browser', async () => {
    const { storage: used } = await open('usr_ada');
    expect(used).toBe(kept);
    write('sk-of-ada');
    expect((await open('usr_ada')).variables).toContain('sk-of-ada');
    expect(lasting.length).toBe(0);
  });

  test('text written in GraphiQL is not shown to the next person who signs in, nor after signing out', async () => {
    for (const next of ['usr_bob', null]) {
      await open('usr_ada');
      write('sk-of-ada');
      expect((await open(next)).variables).not.toContain('sk-of-ada');
      expect(contents(kept)).not.toContain('sk-of-ada');
    }
  });

  test('text that an earlier version kept from GraphiQL is removed from lasting storage', async () => {
    lasting.setItem('graphiql:tabState', '{ "tabs": [{ "variables": "sk-of-ada" }] }');
    lasting.setItem('graphiql:variables', 'sk-of-ada');
    lasting.setItem('theme', 'dark');
    await open('usr_ada');
    expect(contents(lasting)).toBe('theme=dark');
  });

  /** As GraphiQL does, half a second after the last key press. */
  function write(secret: string): void {
    const variables = `{ "secret": "${secret}" }`;
    kept.setItem('graphiql:variables', variables);
    kept.setItem(
      'graphiql:tabState',
      JSON.stringify({ activeTabIndex: 0, tabs: [{ query: 'mutation AddApiKey', variables }] }),
    );
  }

  /** Opens the page and gives what GraphiQL was started with. */
  async function open(userId: string | null): Promise<{ storage: Storage; variables: string }> {
    const render = vi.fn();
    const texts: Record<string, string> = { '#tabs': tabs, '#places': '{ "user": "id of a person" }' };
    const viewer = userId && {
      email: 'somebody@example.com',
      user: { id: userId },
      teams: { nodes: [] },
      workspaces: { nodes: [] },
      personalWorkspace: {
        id: `wsp_${userId}`,
        apiKeys: { nodes: [] },
        models: { nodes: [] },
        threads: { nodes: [] },
      },
    };
    vi.stubGlobal('self', { YogaGraphiQL: { renderYogaGraphiQL: render } });
    vi.stubGlobal('localStorage', lasting);
    vi.stubGlobal('sessionStorage', kept);
    vi.stubGlobal('location', { href: 'http://127.0.0.1:4000/graphql' });
    vi.stubGlobal('fetch', async () => Response.json({ data: { viewer } }));
    vi.stubGlobal('document', {
      querySelector: (selector: string) => ({ textContent: texts[selector] ?? '', append: () => {} }),
      createElement: () => ({}),
    });
    vi.resetModules();
    await import(/* @vite-ignore */ `${PAGES}/graphiql-start.js`);
    return render.mock.calls[0]?.[1] ?? expect.unreachable();
  }
});

describe('a page that a link leads to', () => {
  let page: ReturnType<typeof stubPage>;
  const send = vi.fn<(token: string) => Promise<Response>>();
  const act = async (hash: string) => {
    page = stubPage(hash);
    const { actOnLink } = await import(/* @vite-ignore */ `${PAGES}/link-page.js`);
    actOnLink({ send, done: 'Done.', otherwise: 'Not done.', sentences: { INVALID_TOKEN: 'Used.' } });
  };
  afterEach(() => void send.mockReset());

  test('a page that a link leads to takes the token out of the address, and a press while the first is under way sends nothing', async () => {
    await act('#token-1');
    expect(page.address).toBe('/reset-password');
    const response = Promise.withResolvers<Response>();
    send.mockReturnValueOnce(response.promise);
    const sent = page.press();
    await page.press();
    response.resolve(Response.json({}));
    await sent;
    expect(send.mock.calls.map(([token]) => token)).toEqual(['token-1']);
    expect(page.status.textContent).toBe('Done.');
    expect(page.form.remove).toHaveBeenCalledOnce();
  });

  test('a page that a link leads to says that the link was used, and lets the person try again after a fault', async () => {
    await act('#token-1');
    for (const [answer, sentence] of [
      [Response.json({ code: 'INVALID_TOKEN' }, { status: 400 }), 'Used.'],
      [Response.json({ code: 'OVERLOADED' }, { status: 503 }), 'Not done.'],
      [undefined, 'The server cannot be reached. Try again in a few minutes.'],
    ] as const) {
      if (answer) send.mockResolvedValueOnce(answer);
      else send.mockRejectedValueOnce(new TypeError('fetch failed'));
      await page.press();
      expect(page.status.textContent).toBe(sentence);
    }
    expect(page.form.remove).not.toHaveBeenCalled();
  });

  test('a page starts again with another link in the same tab, and says so when there is none', async () => {
    await act('#token-1');
    page.listeners.hashchange?.();
    expect(page.reload).toHaveBeenCalledOnce();
    await act('');
    expect(page.status.textContent).toBe('This page needs the link that you were sent. Open it again.');
    expect(page.form.remove).toHaveBeenCalledOnce();
  });
});

const PAGES = '../src/server/pages';

function stubPage(hash: string) {
  const button = { disabled: false };
  const status = { textContent: '' };
  const listeners: Record<string, (event?: object) => unknown> = {};
  const form = {
    querySelector: () => button,
    addEventListener: (name: string, listener: () => unknown) =>
      Object.assign(listeners, { [name]: listener }),
    remove: vi.fn(),
  };
  const page = {
    form,
    status,
    listeners,
    reload: vi.fn(),
    address: '',
    /** Does nothing, as in a browser, while the button is disabled. */
    press: async () => {
      if (!button.disabled) await listeners.submit?.({ preventDefault: () => {} });
    },
  };
  vi.stubGlobal('location', { hash, pathname: '/reset-password', reload: page.reload });
  vi.stubGlobal('history', {
    replaceState: (_state: null, _title: string, address: string) => Object.assign(page, { address }),
  });
  vi.stubGlobal('addEventListener', form.addEventListener);
  vi.stubGlobal('FormData', class {});
  vi.stubGlobal('document', { querySelector: (what: string) => (what === 'form' ? form : status) });
  return page;
}

function storage(): Storage {
  const entries = new Map<string, string>();
  return {
    get length() {
      return entries.size;
    },
    key: (index) => [...entries.keys()][index] ?? null,
    getItem: (name) => entries.get(name) ?? null,
    setItem: (name, value) => void entries.set(name, value),
    removeItem: (name) => void entries.delete(name),
    clear: () => entries.clear(),
  };
}

function contents(stored: Storage): string {
  const names = Array.from({ length: stored.length }, (_, index) => stored.key(index) ?? '');
  return names.map((name) => `${name}=${stored.getItem(name)}`).join('\n');
}
