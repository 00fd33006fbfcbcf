/** A page of a list as the documents of `schema/operations` ask for it. */
export interface Page<Node> {
  edges: { cursor: string; node: Node }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
}

/** What is on a page, in the list's order. */
export function nodesOf<Node>({ edges }: Pick<Page<Node>, 'edges'>): Node[] {
  return edges.map(({ node }) => node);
}
