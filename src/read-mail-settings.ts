import type { MailSettings } from './mail.ts';
import { isLoopbackHost } from './networks.ts';
import { ConfigError, isPercentEncoded, readUrl } from './read-setting.ts';

/** The mail server and the sender of mails; null where none is set. Throws ConfigError. */
export function readMailSettings(
  { smtpUrl, mailFrom }: { smtpUrl: string | undefined; mailFrom: string | undefined },
  { publicUrl, isLoopback }: { publicUrl: string | undefined; isLoopback: boolean },
): MailSettings | null {
  const url = readMailServer('LATCHKEY_SMTP_URL', smtpUrl);
  if (url === undefined) return null;
  if (publicUrl === undefined && !isLoopback)
    throw new ConfigError(
      'LATCHKEY_SMTP_URL needs LATCHKEY_PUBLIC_URL: the links in mails lead there. Set it to the address that browsers use.',
    );
  const siteHost = publicUrl === undefined ? 'localhost' : new URL(publicUrl).hostname;
  const isTls = url.protocol === 'smtps:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isTls ? 465 : 587) : Number(url.port),
    isTls,
    // A password for the mail server never crosses a network in clear.
    requiresTls: !isTls && url.username !== '' && !isLoopbackHost(url.hostname),
    credentials:
      url.username === ''
        ? null
        : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) },
    from: readSender('LATCHKEY_MAIL_FROM', mailFrom ?? `Latchkey <latchkey@${siteHost}>`),
  };
}

/** A mail server, with the user and password it asks for. */
function readMailServer(name: string, text: string | undefined): URL | undefined {
  const url = URL.parse(readUrl(name, text, ['smtp:', 'smtps:']) ?? '');
  if (url === null) return undefined;
  // The sentences quote nothing of the URL, since it may hold a password.
  const help = 'Write it like smtps://user:password@mail.example.com or smtp://127.0.0.1:25.';
  if (url.hostname === '') throw new ConfigError(`${name} names no host. ${help}`);
  if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw new ConfigError(`${name} has a path, a query or a fragment. ${help}`);
  if (!isPercentEncoded(url.username) || !isPercentEncoded(url.password))
    throw new ConfigError(`${name} has a % in its user or password. Write it as %25.`);
  return url;
}

/** The sender of mails: an address, or a name with the address in angle brackets. */
function readSender(name: string, text: string): { name: string; address: string } {
  const [, title = '', bracketed, bare] =
    /^(?:([^<>"\p{Cc}]*)<([^\s<>@]+@[^\s<>@]+)>|([^\s<>@]+@[^\s<>@]+))$/u.exec(text.trim()) ?? [];
  const address = bracketed ?? bare;
  if (address !== undefined) return { name: title.trim(), address };
  throw new ConfigError(
    `${name} is "${text}". Write an address, like latchkey@example.com or Latchkey <latchkey@example.com>.`,
  );
}
