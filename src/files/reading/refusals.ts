/** Why a file was refused, as clients see it. */
export type RefusalCode = 'TOO_LARGE' | 'UNSUPPORTED' | 'ENCRYPTED' | 'DAMAGED' | 'TOO_COMPLEX';

/**
 * Every refusal with its sentence for the person. A child process sends only the name of one, so that no text that a hostile
 * file may have written is shown to anybody.
 */
export const REFUSALS = {
  EMPTY: { code: 'DAMAGED', reason: 'This file is empty. Choose another one.' },
  TOO_MANY_BYTES: {
    code: 'TOO_LARGE',
    reason: 'This file is larger than 128 MB, the most that can be read. Upload a smaller one.',
  },
  TOO_MANY_PIXELS: {
    code: 'TOO_LARGE',
    reason: 'This picture has more than 67 million pixels. Make it smaller, then upload it again.',
  },
  UNKNOWN_TYPE: {
    code: 'UNSUPPORTED',
    reason:
      'Files of this type cannot be read. Upload a PNG, JPEG, WebP or GIF picture, a PDF, a DOCX, XLSX, PPTX or ODT document, or a text.',
  },
  OTHER_PICTURE: {
    code: 'UNSUPPORTED',
    reason: 'Pictures of this type cannot be read. Save it as JPEG or PNG, then upload that.',
  },
  OTHER_DOCUMENT: {
    code: 'UNSUPPORTED',
    reason: 'Documents of this type cannot be read. Save it as DOCX, XLSX, PPTX or PDF, then upload that.',
  },
  SOUND_OR_VIDEO: {
    code: 'UNSUPPORTED',
    reason: 'Sound and video cannot be read. Upload what is said in it as text.',
  },
  ARCHIVE: {
    code: 'UNSUPPORTED',
    reason: 'Archives cannot be read. Unpack it, then upload the files that are in it.',
  },
  ENCRYPTED: {
    code: 'ENCRYPTED',
    reason: 'This file is protected by a password. Save it without one, then upload that.',
  },
  DAMAGED: {
    code: 'DAMAGED',
    reason: 'This file is damaged or incomplete. Save it again, then upload that.',
  },
  BYTES_BEFORE_PDF: {
    code: 'DAMAGED',
    reason: 'This PDF does not begin as one. Open it and save it as a PDF again, then upload that.',
  },
  UNPACKS_TOO_LARGE: {
    code: 'TOO_COMPLEX',
    reason: 'What is packed in this document is too large to be read. Split it, or save it without pictures.',
  },
  TOO_COMPLEX: {
    code: 'TOO_COMPLEX',
    reason: 'Reading this file takes too much memory or time. Split or simplify it, then upload it again.',
  },
} as const satisfies Record<string, { code: RefusalCode; reason: string }>;

export type RefusalName = keyof typeof REFUSALS;
