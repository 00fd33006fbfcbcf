import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { eventually } from './eventually.ts';

/** A mail server that takes every mail and keeps it. It knows the verbs that a client needs and no TLS. */
export interface SmtpServer extends AsyncDisposable {
  /** To give as `LATCHKEY_SMTP_URL`. */
  url: string;
  /** In the order of their arrival. */
  mails: ReceivedMail[];
  /** User and password of every sign-in. */
  signIns: string[];
  /** How many connections were opened. */
  connections(): number;
  /** The first mail to this address; waits for it. */
  mailTo(address: string): Promise<ReceivedMail>;
}

export interface ReceivedMail {
  from: string;
  to: string;
  headers: Map<string, string>;
  text: string;
  /** Token of the link in it, if it has one. */
  token: string | undefined;
}

/** One that is `silent` never greets; one that `refuses` takes no recipient, and says so with the address in its words. */
export async function startSmtpServer(manner: 'takes' | 'refuses' | 'silent' = 'takes'): Promise<SmtpServer> {
  const mails: ReceivedMail[] = [];
  const signIns: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    if (manner !== 'silent') void converse(socket, manner, mails, signIns);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    signIns,
    connections: () => connections,
    mailTo: (address) => eventually(`a mail to ${address}`, () => mails.find(({ to }) => to === address)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function converse(
  socket: Socket,
  manner: 'takes' | 'refuses',
  mails: ReceivedMail[],
  signIns: string[],
): Promise<void> {
  const reply = (text: string) => socket.write(`${text}\r\n`);
  reply('220 test ESMTP');
  let from = '';
  let to = '';
  let data: string[] | undefined;
  for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (data !== undefined && line !== '.') {
      data.push(line.replace(/^\.\./, '.'));
      continue;
    }
    if (data !== undefined) {
      mails.push(parseMail(from, to, data));
      data = undefined;
      reply('250 taken');
      continue;
    }
    const verb = line.split(' ')[0]?.toUpperCase();
    if (verb === 'EHLO') reply('250-test\r\n250-AUTH PLAIN\r\n250 8BITMIME');
    else if (verb === 'AUTH') {
      const [, user, password] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
        .toString()
        .split('\0');
      signIns.push(`${user} ${password}`);
      reply('235 welcome');
    } else if (verb === 'MAIL') {
      from = addressIn(line);
      reply('250 ok');
    } else if (verb === 'RCPT') {
      to = addressIn(line);
      reply(manner === 'refuses' ? `550 <${to}> is nobody here` : '250 ok');
    } else if (verb === 'DATA') {
      data = [];
      reply('354 go on');
    } else if (verb === 'QUIT') {
      reply('221 bye');
      socket.end();
    } else reply('250 ok');
  }
}

function addressIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? '';
}

function parseMail(from: string, to: string, lines: readonly string[]): ReceivedMail {
  const end = lines.indexOf('');
  const headers = new Map(
    lines
      .slice(0, end)
      .join('\n')
      .replace(/\n[ \t]+/g, ' ')
      .split('\n')
      .map((header) => [header.split(':')[0]?.toLowerCase() ?? '', header.replace(/^[^:]*: ?/, '')]),
  );
  const body = lines.slice(end + 1).join('\n');
  const isQuoted = headers.get('content-transfer-encoding') === 'quoted-printable';
  const text = isQuoted ? unquote(body) : body;
  return { from, to, headers, text, token: /#(\S+)/.exec(text)?.[1] };
}

function unquote(body: string): string {
  const bytes = body
    .replace(/=\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
