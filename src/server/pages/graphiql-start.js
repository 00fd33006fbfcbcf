const { YogaGraphiQL } = self;

self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl(_module, label) {
    if (label === 'graphql') return '/graphiql/graphql-worker.js';
    if (label === 'json') return '/graphiql/json-worker.js';
    return '/graphiql/editor-worker.js';
  },
};

const viewer = await findViewer();
showPerson(viewer);
const defaultTabs = readTabs(viewer);

YogaGraphiQL.renderYogaGraphiQL(document.querySelector('#graphiql'), {
  endpoint: '/graphql',
  title: 'GraphiQL',
  logo: '<img src="/latchkey.svg" alt="" width="28" height="28">',
  credentials: 'same-origin',
  subscriptionsProtocol: 'WS',
  // The server takes a session cookie only together with this header, which a foreign page cannot set.
  additionalHeaders: { 'x-latchkey-csrf': '1' },
  defaultTabs,
  ...openTab(defaultTabs[0]),
  shouldPersistHeaders: false,
});

/** The person signed in, null for nobody or when the server cannot say. */
async function findViewer() {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-latchkey-csrf': '1' },
    body: JSON.stringify({ query: '{ viewer { email personalWorkspace { id } } }' }),
  });
  if (!response.ok) return null;
  const { data } = await response.json();
  return data?.viewer ?? null;
}

/** The prepared tabs, with the person's own workspace in the variables. */
function readTabs(viewer) {
  const tabs = JSON.parse(document.querySelector('#tabs').textContent);
  if (viewer === null) return tabs;
  return tabs.map(({ query, variables }) => ({
    query,
    variables: variables.replace('id of personalWorkspace in the first tab', viewer.personalWorkspace.id),
  }));
}

/**
 * What the editors begin with: the tab that was open last time, else the first one. Left to itself, GraphiQL shows no
 * variables in it and adds an empty tab at every visit. A link with a query of its own is left to GraphiQL.
 */
function openTab(firstTab) {
  const state = JSON.parse(localStorage.getItem('graphiql:tabState') ?? 'null');
  const { query, variables } = state?.tabs?.[state.activeTabIndex] ?? firstTab;
  const linked = new URL(location.href).searchParams.get('query');
  return linked === null || linked === query ? { query, variables } : {};
}

function showPerson(viewer) {
  const place = document.querySelector('#person');
  if (viewer !== null) {
    place.textContent = `Signed in as ${viewer.email}`;
    return;
  }
  const link = Object.assign(document.createElement('a'), { href: '/', textContent: 'Sign in' });
  place.append('Nobody is signed in. ', link);
}
