import { type GraphQLResolveInfo, Kind } from 'graphql';

/** Whether a field selects nothing of an object but its id and type, so that the object need not be read. */
export function selectsOnlyId({ fieldNodes }: GraphQLResolveInfo): boolean {
  return fieldNodes.every(({ selectionSet }) =>
    selectionSet?.selections.every(
      (selection) =>
        selection.kind === Kind.FIELD &&
        (selection.name.value === 'id' || selection.name.value === '__typename'),
    ),
  );
}

/** An object of which a client has selected only what is given here. */
export function referenceTo<Shape extends { id: string }>(given: Pick<Shape, 'id'> & Partial<Shape>): Shape {
  return given as Shape;
}
