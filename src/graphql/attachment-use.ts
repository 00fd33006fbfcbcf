import type { Message } from '../threads/message.ts';
import { Attachment } from './attachment.ts';
import { builder } from './builder.ts';

type AttachmentUseShape = NonNullable<Message['attachmentUses']>[number];

const AttachmentUseKind = builder.enumType('AttachmentUseKind', {
  description:
    'Form in which a model was sent a file. May grow: treat an unknown value as AS_TEXT, and show `note`.',
  values: {
    NATIVE: {
      description:
        'File as it is, or of an image the copy for models: upright, at most 2,000 pixels wide and high, and without what else such files hold.',
    },
    AS_TEXT: { description: 'Text of the file, in whole or its beginning.' },
    LEFT_OUT: { description: 'Name of the file alone, with the reason: nothing of its content was sent.' },
  } satisfies Record<AttachmentUseShape['use'], { description: string }>,
});

export const AttachmentUse = builder.objectRef<AttachmentUseShape>('AttachmentUse').implement({
  description: 'A file, and the form in which the model of an answer was sent it.',
  fields: (t) => ({
    attachment: t.field({
      type: Attachment,
      nullable: true,
      description:
        'File that is meant. Null once it is gone with the last message that referred to it, and for the older files of a conversation with very many, which are left out together.',
      resolve: ({ attachmentId }, _args, { loaders }) =>
        attachmentId === null ? null : loaders.attachments.load(attachmentId),
    }),
    use: t.expose('use', { type: AttachmentUseKind, description: 'Form in which the model was sent it.' }),
    note: t.exposeString('note', {
      nullable: true,
      description:
        'Sentences that say what was left out or cut and why, in English, fit to be shown. Null if there is nothing to say.',
    }),
  }),
});
