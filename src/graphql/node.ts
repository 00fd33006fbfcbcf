import { prefixOf } from '../db/id.ts';
import { InvalidInputError } from '../errors.ts';
import type { Message } from '../threads/message.ts';
import { builder } from './builder.ts';
import type { Context, Loaders } from './context.ts';

/** Everything that has an id of its own and can be fetched by it. */
export const Node = builder.interfaceRef<{ id: string }>('Node').implement({
  description:
    'An object that can be fetched by its id. Ids are opaque, unique across all types and never used again. May grow: other types may implement it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: 'Id of the object, opaque and never used again.' }),
  }),
  resolveType: typeNameOfNode,
});

/** The name of the type of an object that has an id. */
export function typeNameOfNode(node: { id: string }): string | undefined {
  const typeName = NODE_TYPES[prefixOf(node.id) ?? '']?.typeName;
  return typeof typeName === 'function' ? typeName(node) : typeName;
}

builder.queryField('node', (t) =>
  t.field({
    type: Node,
    nullable: true,
    description: 'Object with this id. Null if there is none or the viewer may not see it.',
    args: { id: t.arg.id({ required: true, description: 'Id of any object that is a Node.' }) },
    resolve: (_root, { id }, context) => loadNode(context, id),
  }),
);

builder.queryField('nodes', (t) =>
  t.field({
    type: [Node],
    nullable: { list: false, items: true },
    description:
      'Objects with these ids, in the same order; null in the place of each that `node` would return null for.',
    args: {
      ids: t.arg.idList({
        required: true,
        description: `Ids of any objects that are Nodes, at most ${MAX_IDS}.`,
      }),
    },
    resolve: (_root, { ids }, context) => {
      if (ids.length <= MAX_IDS) return ids.map((id) => loadNode(context, id));
      throw new InvalidInputError('ids', `Give at most ${MAX_IDS} ids.`);
    },
  }),
);

async function loadNode({ loaders }: Context, id: string): Promise<{ id: string } | null> {
  const type = NODE_TYPES[prefixOf(id) ?? ''];
  return type === undefined ? null : await type.loader(loaders).load(id);
}

const MAX_IDS = 100; // as many as the largest page of most lists

interface NodeType {
  /** The type's name, or a function that returns it for an object. */
  typeName: string | ((node: { id: string }) => string);
  loader(loaders: Loaders): { load(id: string): Promise<{ id: string } | null> };
}

const NODE_TYPES: Readonly<Record<string, NodeType | undefined>> = {
  tem: { typeName: 'Team', loader: (loaders) => loaders.teams },
  wsp: { typeName: 'Workspace', loader: (loaders) => loaders.workspaces },
  key: { typeName: 'ApiKey', loader: (loaders) => loaders.apiKeys },
  mdl: { typeName: 'Model', loader: (loaders) => loaders.models },
  thr: { typeName: 'Thread', loader: (loaders) => loaders.threads },
  msg: {
    typeName: (node) => ((node as Message).role === 'USER' ? 'UserMessage' : 'Answer'),
    loader: (loaders) => loaders.messages,
  },
  att: { typeName: 'Attachment', loader: (loaders) => loaders.attachments },
  usr: { typeName: 'User', loader: (loaders) => loaders.fellows },
  mem: { typeName: 'Member', loader: (loaders) => loaders.members },
  inv: { typeName: 'Invitation', loader: (loaders) => loaders.invitations },
  aud: { typeName: 'AuditEntry', loader: (loaders) => loaders.auditEntries },
};
