import * as errors from '../errors.ts';
import type { Attachment as AttachmentShape } from '../files/attachment.ts';
import { createAttachment } from '../files/create-attachment.ts';
import type { FileUrl } from '../files/file-urls.ts';
import { removeAttachment } from '../files/remove-attachment.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { mutation, removedId } from './mutation.ts';
import { Node } from './node.ts';
import { User } from './user.ts';
import { Workspace } from './workspace.ts';

const AttachmentKind = builder.enumType('AttachmentKind', {
  description:
    'Kind of a file, found out from its content and never from its name. May grow: treat an unknown value as DOCUMENT.',
  values: {
    IMAGE: { description: 'Picture in a format that models can see.' },
    PDF: { description: 'PDF, with or without text.' },
    TEXT: { description: 'Plain text, such as notes, source code or CSV.' },
    DOCUMENT: { description: 'Document of an office program, read as text.' },
  } as const,
});

const AttachmentStatus = builder.enumType('AttachmentStatus', {
  description:
    'Status of a file on its way into a message. May grow: treat an unknown value as READING, and wait for AttachmentUpdated.',
  values: {
    WAITING: { description: 'Waiting for its bytes, until the upload link runs out.' },
    READING: { description: 'The bytes are safe; their content is being read.' },
    READY: { description: 'Ready to be sent with a message.' },
    REFUSED: { description: 'Refused: `refusal` says why. The bytes are deleted.' },
  } as const,
});

const AttachmentRefusal = builder.enumType('AttachmentRefusal', {
  description: 'Reason why a file was refused. May grow: show `refusal` for an unknown value.',
  values: {
    TOO_LARGE: { description: 'The content is larger than can be read, e.g. in pixels.' },
    UNSUPPORTED: { description: 'No kind of file that can be read here.' },
    ENCRYPTED: { description: 'The content is protected by a password.' },
    DAMAGED: { description: 'The content is cut off or damaged.' },
    TOO_COMPLEX: { description: 'The content takes more time or memory to read than there is.' },
  } as const,
});

export const Attachment = builder.objectRef<AttachmentShape>('Attachment').implement({
  description:
    'A file in a workspace. Its uploader sees it, and everybody who sees a message that refers to it. One that no message refers to is deleted after a day.',
  interfaces: [Node],
  fields: (t) => ({
    workspace: t.field({
      type: Workspace,
      description: 'Workspace that the file belongs to.',
      resolve: async ({ workspaceId }, _args, { loaders }) => {
        const workspace = await loaders.workspaces.load(workspaceId);
        // It was visible a moment ago.
        if (workspace === null) throw new errors.NotFoundError('workspace');
        return workspace;
      },
    }),
    fileName: t.exposeString('fileName', { description: 'Name of the file, with its ending.' }),
    kind: t.expose('kind', {
      type: AttachmentKind,
      nullable: true,
      description: 'Kind of the file. Null until it is READY.',
    }),
    mediaType: t.exposeString('mediaType', {
      nullable: true,
      description: 'Media type of the content, e.g. `image/png`. Null until the file is READY.',
    }),
    sizeBytes: t.exposeInt('sizeBytes', { description: 'Size of the file in bytes.' }),
    status: t.expose('status', { type: AttachmentStatus, description: 'Status of the file.' }),
    refusal: t.exposeString('refusal', {
      nullable: true,
      description:
        'Sentences that say why the file was refused and what to do, in English, fit to be shown. Null unless it is REFUSED.',
    }),
    refusalCode: t.expose('refusalCode', {
      type: AttachmentRefusal,
      nullable: true,
      description: 'Reason why the file was refused, for programs. Null unless it is REFUSED.',
    }),
    width: t.exposeInt('width', {
      nullable: true,
      description: 'Width of the image in pixels, as it is shown. Null for anything but an image.',
    }),
    height: t.exposeInt('height', {
      nullable: true,
      description: 'Height of the image in pixels, as it is shown. Null for anything but an image.',
    }),
    pageCount: t.exposeInt('pageCount', {
      nullable: true,
      description: 'Number of pages. Null for a file without pages, or if it is not known.',
    }),
    url: t.string({
      nullable: true,
      description:
        'Link to the bytes of the file, without any further right: for an `img` or a download. It is good for five to ten minutes and for the viewer alone; the same link is given for five minutes. Null unless the file is READY.',
      resolve: (attachment, _args, context) => downloadOf(attachment, context)?.url ?? null,
    }),
    urlExpiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Time at which `url` runs out. Null if there is none.',
      resolve: (attachment, _args, context) => downloadOf(attachment, context)?.expiresAt ?? null,
    }),
    createdBy: t.field({
      type: User,
      nullable: true,
      description: 'User who uploaded the file. Null if that account is gone.',
      resolve: ({ createdBy }, _args, { loaders }) =>
        createdBy === null ? null : loaders.users.load(createdBy),
    }),
    createdAt: t.expose('createdAt', {
      type: 'DateTime',
      description: 'Time at which the upload was announced.',
    }),
  }),
});

function downloadOf({ id, status }: AttachmentShape, { deps, viewer, publicUrl }: Context) {
  if (status !== 'READY' || viewer === null) return null;
  const { path, expiresAt } = deps.fileUrls.forDownload(id, viewer.id);
  return { url: publicUrl + path, expiresAt };
}

const UploadHeader = builder.objectRef<{ name: string; value: string }>('UploadHeader').implement({
  description: 'A header of an upload request.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Name of the header.' }),
    value: t.exposeString('value', { description: 'Value of the header.' }),
  }),
});

const Upload = builder.objectRef<FileUrl>('Upload').implement({
  description:
    'Request with which a client sends the bytes of a file, once: as they are, all of them. It is answered with 204 as soon as they are safe. A request that was cut can be repeated.',
  fields: (t) => ({
    url: t.string({
      description: 'Link of the request. It needs no further right, so keep it out of logs.',
      resolve: ({ path }, _args, { publicUrl }) => publicUrl + path,
    }),
    method: t.string({ description: 'Method of the request.', resolve: () => 'PUT' }),
    headers: t.field({
      type: [UploadHeader],
      description: 'Headers to send with the request.',
      resolve: () => [{ name: 'content-type', value: 'application/octet-stream' }],
    }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'Time by which the request has to begin.',
    }),
  }),
});

mutation('createAttachment', {
  description:
    'Announces a file and gives the request with which its bytes are sent. Once they are there, the file is read, and AttachmentUpdated of `workspaceEvents` says when it is READY.',
  input: (t) => ({
    workspaceId: t.id({ required: true, description: 'Id of the workspace whose messages can refer to it.' }),
    fileName: t.string({ required: true, description: 'Name of the file, 1 to 255 characters.' }),
    sizeBytes: t.int({
      required: true,
      description: 'Size of the file in bytes, at most `serverInfo.maxFileBytes`. The upload has to have it.',
    }),
  }),
  errors: [
    errors.InvalidInputError,
    errors.PlanRequiredError,
    errors.NotPermittedError,
    errors.NotFoundError,
    errors.ConflictError,
  ],
  run: (deps, viewer, input) => createAttachment(deps, viewer, input),
  payload: (t) => ({
    attachment: t.expose('attachment', { type: Attachment, description: 'The file, WAITING for its bytes.' }),
    upload: t.expose('upload', { type: Upload, description: 'Request that sends its bytes.' }),
  }),
});

mutation('removeAttachment', {
  description:
    'Removes a file that no message refers to: one of the viewer’s own. A file that was sent goes with the last message that refers to it.',
  input: (t) => ({ id: t.id({ required: true, description: 'Id of the file.' }) }),
  errors: [errors.NotPermittedError, errors.NotFoundError, errors.ConflictError],
  run: async (deps, viewer, { id }) => ({ removedId: await removeAttachment(deps, viewer, id) }),
  payload: removedId('removed file'),
});
