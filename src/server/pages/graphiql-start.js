const { YogaGraphiQL } = self;
const STORED_TABS = 'graphiql:tabState';
const STORED_IDS = 'latchkey:ids';

self.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl(_module, label) {
    if (label === 'graphql') return '/graphiql/graphql-worker.js';
    if (label === 'json') return '/graphiql/json-worker.js';
    return '/graphiql/editor-worker.js';
  },
};

/** Value in the variables of the tabs for each kind of id: an id, or words as long as there is none. */
const PLACES = JSON.parse(document.querySelector('#places').textContent);
const TABS = document.querySelector('#tabs').textContent;

const viewer = await findViewer();
showPerson(viewer);
let ids = { ...PLACES, ...idsOf(viewer) };
const defaultTabs = JSON.parse(TABS).map((tab) => ({
  ...tab,
  variables: exchange(tab.variables, PLACES, ids),
}));
dropTabs(localStorage); // where 0.1 kept them, with the keys that were pasted there
bringStoredTabsUpToDate();

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
  onTabChange: carryIds,
  shouldPersistHeaders: false,
  storage: sessionStorage, // a pasted key in the variables must not outlive the visit
});

/** The person signed in with the newest of what is theirs, null for nobody or when the server cannot say. */
async function findViewer() {
  const query = `{ viewer { email user { id } teams(last: 1) { nodes { id } } workspaces(last: 20) { nodes { id kind } } personalWorkspace { id
    apiKeys(last: 1) { nodes { id } } models(first: 100) { nodes { id isAvailable } }
    threads(first: 1) { nodes { id messages(last: 20) { nodes { id role } } } } } } }`;
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-latchkey-csrf': '1' },
    body: JSON.stringify({ query }),
  });
  if (!response.ok) return null;
  const { data } = await response.json();
  return data?.viewer ?? null;
}

/** The ids that a person can begin with. */
function idsOf(viewer) {
  if (viewer === null) return {};
  const { personalWorkspace, workspaces, teams, user } = viewer;
  const [thread] = personalWorkspace.threads.nodes;
  return present({
    workspace: personalWorkspace.id,
    shared: workspaces.nodes.findLast(({ kind }) => kind === 'SHARED')?.id,
    team: teams.nodes.at(-1)?.id,
    user: user.id,
    key: personalWorkspace.apiKeys?.nodes[0]?.id,
    model: modelToAsk(personalWorkspace.models.nodes)?.id,
    thread: thread?.id,
    answer: thread?.messages.nodes.findLast(({ role }) => role === 'ASSISTANT')?.id,
  });
}

/** The ids that the result of an operation adds to them. */
function idsIn({ addApiKey, createThread, sendMessage, regenerateAnswer, ...others }) {
  const { createWorkspace, createTeam, createInvitation, createModelVariant, workspace } = others;
  return present({
    key: addApiKey?.apiKey?.id,
    model: modelToAsk(addApiKey?.models ?? workspace?.models?.edges.map(({ node }) => node) ?? [])?.id,
    variant: createModelVariant?.model?.id,
    thread: createThread?.thread?.id,
    answer: regenerateAnswer?.answer?.id ?? sendMessage?.answers?.[0]?.id,
    shared: createWorkspace?.workspace?.id,
    team: createTeam?.team?.id,
    invitation: createInvitation?.invitation?.id,
    token: createInvitation?.token,
  });
}

function modelToAsk(models) {
  return models.find(({ isAvailable }) => isAvailable);
}

function present(found) {
  return Object.fromEntries(Object.entries(found).filter(([, id]) => id !== undefined));
}

/**
 * Puts what the open tab has just made into the variables of the others. GraphiQL has no way to change a tab that is not open,
 * but shows the contents of these objects once it is.
 */
function carryIds({ tabs, activeTabIndex }) {
  const made = idsIn(dataOf(tabs[activeTabIndex].response));
  const next = { ...ids, ...made };
  tabs.forEach((tab, index) => {
    if (index !== activeTabIndex) tab.variables = exchange(tab.variables ?? '', ids, next);
  });
  ids = next;
  sessionStorage.setItem(STORED_IDS, JSON.stringify({ documents: TABS, ids }));
}

function dataOf(response) {
  try {
    return JSON.parse(response).data ?? {};
  } catch {
    return {}; // nothing has come yet, or an event of a subscription in the making
  }
}

/** The variables with one set of ids in the place of another. */
function exchange(variables, before, after) {
  return Object.keys(after).reduce(
    (text, kind) => text.replaceAll(JSON.stringify(before[kind]), JSON.stringify(after[kind])),
    variables,
  );
}

function dropTabs(storage) {
  for (const name of ['tabState', 'query', 'variables', 'queries', 'favorites'])
    storage.removeItem(`graphiql:${name}`);
}

/**
 * The tabs from before a reload are kept, with the newest ids. Those of another person are not, since they may contain a key,
 * nor those with documents of an older server.
 */
function bringStoredTabsUpToDate() {
  const state = JSON.parse(sessionStorage.getItem(STORED_TABS) ?? 'null');
  const stored = JSON.parse(sessionStorage.getItem(STORED_IDS) ?? 'null');
  if (stored?.documents !== TABS || stored.ids.user !== ids.user) dropTabs(sessionStorage);
  else if (state !== null) {
    for (const tab of state.tabs) tab.variables = exchange(tab.variables ?? '', stored.ids, ids);
    sessionStorage.setItem(STORED_TABS, JSON.stringify(state));
  }
  sessionStorage.setItem(STORED_IDS, JSON.stringify({ documents: TABS, ids }));
}

/**
 * What the editors begin with: the tab that was open last time, else the first one. Left to itself, GraphiQL shows no
 * variables in it and adds an empty tab at every visit. A link with a query of its own is left to GraphiQL.
 */
function openTab(firstTab) {
  const state = JSON.parse(sessionStorage.getItem(STORED_TABS) ?? 'null');
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
