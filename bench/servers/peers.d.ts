/** What the benchmark uses of packages that are installed in its own folder, and only by those who want these contenders. */
declare module 'ai' {
  import type { ServerResponse } from 'node:http';

  export interface LanguageModel {
    readonly modelId: string;
  }

  export function streamText(options: { model: LanguageModel; prompt: string }): { stream: ReadableStream };
  export function toUIMessageStream(options: { stream: ReadableStream }): ReadableStream;
  export function pipeUIMessageStreamToResponse(options: {
    response: ServerResponse;
    stream: ReadableStream;
  }): Promise<void>;
}

declare module '@ai-sdk/openai-compatible' {
  import type { LanguageModel } from 'ai';

  export function createOpenAICompatible(options: {
    name: string;
    baseURL: string;
    apiKey: string;
  }): (modelId: string) => LanguageModel;
}
