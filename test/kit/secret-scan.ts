/** The ways in which a secret may be written down, by name; base64 at each of the three places where it can begin. */
export function formsOf(secret: string): Record<string, string> {
  const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
  const hex = Buffer.from(secret).toString('hex');
  return {
    raw: secret,
    JSON: inJson(secret),
    'JSON in JSON': inJson(inJson(secret)),
    URL: encodeURIComponent(secret),
    hex,
    HEX: hex.toUpperCase(),
    ...base64Forms(secret, 'base64'),
    ...base64Forms(secret, 'base64url'),
  };
}

/** The names of the forms in which the secret is found in these texts or bytes. */
export function formsFound(places: Iterable<string | Uint8Array>, secret: string): string[] {
  const forms = Object.entries(formsOf(secret));
  const found = new Set<string>();
  for (const place of places) {
    const bytes = Buffer.from(place);
    for (const [name, form] of forms) if (bytes.includes(form)) found.add(name);
  }
  return [...found];
}

function base64Forms(secret: string, encoding: 'base64' | 'base64url'): Record<string, string> {
  const forms = [0, 1, 2].map((shift) => {
    const text = Buffer.from('\0'.repeat(shift) + secret).toString(encoding);
    // Its first and last characters depend on the neighbours.
    return [`${encoding} +${shift}`, text.slice(4, -4)] as const;
  });
  return Object.fromEntries(forms);
}
