import { InvalidInputError } from '../errors.ts';
import { checkBaseUrl, ForbiddenAddressError } from '../providers/address.ts';
import type { Provider } from '../providers/provider.ts';

/** The base URL that a key of this provider is bound to. Throws InvalidInputError. */
export function checkKeyBaseUrl(
  provider: Provider,
  baseUrl: string | null,
  allowedPrivateHosts: readonly string[],
): string {
  if (provider.baseUrl !== null) {
    if (baseUrl === null) return provider.baseUrl;
    throw badInput(`${provider.title} has a base URL of its own. Leave baseUrl out, or choose CUSTOM.`);
  }
  if (baseUrl === null)
    throw badInput('A CUSTOM key needs the base URL of its server, e.g. https://llm.example.com/v1.');
  try {
    return checkBaseUrl(baseUrl, allowedPrivateHosts);
  } catch (error) {
    if (error instanceof ForbiddenAddressError) throw badInput(error.message);
    throw error;
  }
}

function badInput(message: string): InvalidInputError {
  return new InvalidInputError([{ path: 'baseUrl', message }]);
}
