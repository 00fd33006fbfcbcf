import { serve } from './serve.ts';

/** The child process that reads one picture. */
await serve(async () => async () => (await import('./read-picture.ts')).readPicture);
