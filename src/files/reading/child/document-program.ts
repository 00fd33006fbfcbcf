import { recognize } from './recognize.ts';
import { type Reader, serve } from './serve.ts';

/** The child process that reads one file of any kind but pictures. It loads no more than what that kind takes. */
await serve(async (bytes) => {
  const file = await recognize(bytes);
  return async (): Promise<Reader> => {
    switch (file.format) {
      case 'text': {
        const { readText } = await import('./read-text.ts');
        return async () => readText(file);
      }
      case 'pdf': {
        const { readPdf } = await import('./read-pdf.ts');
        return readPdf;
      }
      case 'xlsx': {
        const { readSheets } = await import('./read-sheets.ts');
        return (bytes) => readSheets(bytes, file.zip);
      }
      default: {
        const { readOffice } = await import('./read-office.ts');
        return (bytes) => readOffice(bytes, file.format);
      }
    }
  };
});
