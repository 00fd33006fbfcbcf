import { createHash } from 'node:crypto';

/** Reasoning as a provider hands it out: a text that only this provider can read, and only for this model. */
export function signThought(model: string, thought: string): string {
  const digest = createHash('sha256').update(`${model}\n${thought}`).digest('hex').slice(0, 16);
  return Buffer.from(`simulated ${model} ${digest}`).toString('base64');
}

/** Whether the signature is one of this model. With a thought, whether it is the one that was signed. */
export function isSignedBy(model: string, signature: string, thought?: string): boolean {
  if (thought !== undefined) return signature === signThought(model, thought);
  return Buffer.from(signature, 'base64').toString().startsWith(`simulated ${model} `);
}
