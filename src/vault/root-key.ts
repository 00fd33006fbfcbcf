import { counted } from '../counted.ts';
import { RootKey } from './seal.ts';
import {
  inventSecretFile,
  madeSecretFile,
  missingSecretSentence,
  parseSecret,
  readSecret,
  SecretSourceError,
} from './secret-source.ts';

/**
 * Loads the root keys: the first seals, all of them open. Checks that every saved key was sealed with one of them before
 * anything is sealed or a new root key is made. Throws SecretSourceError otherwise, whose sentence names root keys by id only.
 */
export async function loadRootKeys(input: RootKeyInput): Promise<[RootKey, ...RootKey[]]> {
  const inventedFile = madeSecretFile(input.dataDir, 'root.key');
  const mayInvent = input.isEmbedded && input.isLoopback;
  const found = await readSecret({
    name: 'LATCHKEY_ROOT_KEY',
    value: input.rootKey,
    file: input.rootKeyFile,
    inventedFile,
    mayInvent,
  });
  const given = found === null ? [] : parseRootKeys(found.text, found.place);

  const decision = decideRootKeys({
    given,
    mayInvent,
    inventedFile,
    rowsByRootId: await input.rowsByRootId(),
  });
  switch (decision.type) {
    case 'use':
      return decision.rootKeys;
    case 'refuse':
      throw new SecretSourceError(decision.sentence);
    case 'invent': {
      const rootKeys = parseRootKeys(await inventSecretFile(inventedFile), inventedFile);
      input.report(
        `Made a root key and saved it as ${inventedFile}. Back it up apart from the database: no saved key opens without it.`,
      );
      return rootKeys;
    }
    default:
      return decision satisfies never;
  }
}

export interface RootKeyInput {
  /** LATCHKEY_ROOT_KEY as it was set: base64, several separated by commas. */
  rootKey: string | undefined;
  /** LATCHKEY_ROOT_KEY_FILE: path of a file that holds the same. */
  rootKeyFile: string | undefined;
  dataDir: string;
  isEmbedded: boolean;
  isLoopback: boolean;
  /** Counts the saved keys under each root id, without those whose secret has to be pasted again anyway. */
  rowsByRootId: () => Promise<ReadonlyMap<string, number>>;
  /** Receives sentences for the operator. */
  report: (sentence: string) => void;
}

/** Decides which root keys to use. A new one is made only if no saved key needs another one. */
function decideRootKeys(facts: RootKeyFacts): RootDecision {
  const [primary, ...others] = facts.given;
  const known = new Set(facts.given.map(({ id }) => id));
  const missing = [...facts.rowsByRootId].filter(([id, rows]) => rows > 0 && !known.has(id));

  if (missing.length > 0) {
    const needed = missing.map(([id, rows]) => `${id} (${counted(rows, 'saved key')})`);
    const sentence =
      `Root key needed: ${needed.join(', ')}. Given: ${[...known].join(', ') || 'none'}. ` +
      'Name the file that holds it in LATCHKEY_ROOT_KEY_FILE; several keys are separated by commas, the first one seals. ' +
      `If Latchkey made it, it was saved as ${facts.inventedFile}. A new one would not open these keys.`;
    return { type: 'refuse', sentence };
  }
  if (primary !== undefined) return { type: 'use', rootKeys: [primary, ...others] };
  if (facts.mayInvent) return { type: 'invent' };
  return { type: 'refuse', sentence: missingSecretSentence('LATCHKEY_ROOT_KEY') };
}

interface RootKeyFacts {
  given: readonly RootKey[];
  mayInvent: boolean;
  inventedFile: string;
  rowsByRootId: ReadonlyMap<string, number>;
}

type RootDecision =
  | { type: 'use'; rootKeys: [RootKey, ...RootKey[]] }
  | { type: 'invent' }
  | { type: 'refuse'; sentence: string };

function parseRootKeys(text: string, place: string): [RootKey, ...RootKey[]] {
  const [first = '', ...others] = text.split(',');
  const rootAt = (part: string, index: number) => {
    const bytes = parseSecret(part.trim(), others.length === 0 ? place : `Key ${index + 1} of ${place}`);
    const root = new RootKey(bytes);
    bytes.fill(0);
    return root;
  };
  return [rootAt(first, 0), ...others.map((part, index) => rootAt(part, index + 1))];
}
