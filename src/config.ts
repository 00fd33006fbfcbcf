import { resolve } from 'node:path';
import type { MailSettings } from './mail.ts';
import { isLoopbackHost, type Networks } from './networks.ts';
import { PLANS, type Plan } from './plans-and-roles.ts';
import { type FileSettings, readFileSettings } from './read-file-settings.ts';
import { readMailSettings } from './read-mail-settings.ts';
import { checkPrivateHost, readProviderUrls } from './read-provider-settings.ts';
import { type RedisSettings, readRedisSettings } from './read-redis-settings.ts';
import {
  readChoice,
  readCount,
  readList,
  readNetworks,
  readOrigin,
  readPort,
  readSwitch,
  readUrl,
} from './read-setting.ts';

/** All settings of the environment. Nothing else in the project reads them. */
export interface Config {
  port: number;
  host: string;
  /** Whether `host` can be reached from this machine only. */
  isLoopback: boolean;
  /** Whether people on other machines reach it: by `host`, or through a proxy at `publicUrl`. */
  isPublic: boolean;
  /** PostgreSQL server; undefined for the embedded database in the data folder. */
  databaseUrl: string | undefined;
  /** Undefined for a lone server. */
  redis: RedisSettings | undefined;
  dataDir: string;
  /** PostgreSQL server into which the embedded database is to be copied. */
  copyTo: string | undefined;
  /** Where browsers reach the server; undefined for the address it listens on. */
  publicUrl: string | undefined;
  rootKey: string | undefined;
  rootKeyFile: string | undefined;
  authSecret: string | undefined;
  authSecretFile: string | undefined;
  operatorToken: string | undefined;
  operatorTokenFile: string | undefined;
  signUp: 'open' | 'invited' | 'closed';
  /** Null if no mail server is set. */
  mail: MailSettings | null;
  defaultPlan: Plan;
  /** Which ways of submitting a key are refused: none, an unsealed one, or also a sealed one of version 1. */
  requireSealedKeys: 'off' | 'on' | 'v2';
  graphiql: boolean;
  /** Whether providers are asked to cache conversations. */
  cachesPrompts: boolean;
  /** Base URLs that replace the published ones, by provider name. */
  providerUrls: Readonly<Record<string, string>>;
  allowedOrigins: readonly string[];
  /** `host:port` pairs on private networks that a CUSTOM key may name. */
  allowedPrivateHosts: readonly string[];
  /** How many answers may be written at a time. */
  answerLimits: { total: number; perPerson: number };
  /** How much of the server one person may use. */
  personLimits: {
    sockets: number;
    subscriptions: number;
    operationsPerSecond: number;
    operationBurst: number;
  };
  /** How many bytes may wait until clients read them, and for how long. */
  unreadLimits: { perPerson: number; perServer: number; timeoutMs: number };
  files: FileSettings;
  /** How long a server that is being stopped goes on with the answers it has begun. */
  drainMs: number;
  /** Lines below it are not logged. */
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Proxies whose X-Forwarded-For header is believed. */
  trustedProxies: Networks;
  /** Rate limits on tries; see AttemptNumbers and CheckLimits. */
  attempts: {
    signInsPerAccount: number;
    signInsPerAddress: number;
    signUpsPerAddress: number;
    mailsPerAccount: number;
    mailsPerAddress: number;
    keyChecksPerPerson: number;
    keyChecksPerAddress: number;
  };
  /** Networks that are not limited by address, since many people share one. */
  unlimitedNetworks: Networks;
}

/** Reads the configuration. Throws ConfigError. Secrets are checked where they are used. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const host = env.HOST ?? '127.0.0.1';
  const publicUrl =
    env.LATCHKEY_PUBLIC_URL === undefined
      ? undefined
      : readOrigin('LATCHKEY_PUBLIC_URL', env.LATCHKEY_PUBLIC_URL, false);
  const dataDir = resolve(env.LATCHKEY_DATA_DIR ?? './data');
  const isLoopback = isLoopbackHost(host);
  const isPublic = !isLoopback || (publicUrl !== undefined && !isLoopbackHost(new URL(publicUrl).hostname));
  return {
    port: readPort(env.PORT ?? '4000'),
    host,
    isLoopback,
    isPublic,
    databaseUrl: readUrl('DATABASE_URL', env.DATABASE_URL, ['postgres:', 'postgresql:']),
    redis: readRedisSettings(
      { url: env.REDIS_URL, file: env.REDIS_URL_FILE, caFile: env.LATCHKEY_REDIS_CA_FILE },
      env.DATABASE_URL,
    ),
    dataDir,
    copyTo: readUrl('LATCHKEY_COPY_TO', env.LATCHKEY_COPY_TO, ['postgres:', 'postgresql:']),
    publicUrl,
    rootKey: env.LATCHKEY_ROOT_KEY,
    rootKeyFile: env.LATCHKEY_ROOT_KEY_FILE,
    authSecret: env.LATCHKEY_AUTH_SECRET,
    authSecretFile: env.LATCHKEY_AUTH_SECRET_FILE,
    operatorToken: env.LATCHKEY_OPERATOR_TOKEN,
    operatorTokenFile: env.LATCHKEY_OPERATOR_TOKEN_FILE,
    signUp: readChoice(
      'LATCHKEY_SIGN_UP',
      env.LATCHKEY_SIGN_UP,
      ['open', 'invited', 'closed'],
      isPublic ? 'invited' : 'open',
    ),
    mail: readMailSettings(
      { smtpUrl: env.LATCHKEY_SMTP_URL, mailFrom: env.LATCHKEY_MAIL_FROM },
      { publicUrl, isLoopback },
    ),
    defaultPlan: readChoice('LATCHKEY_DEFAULT_PLAN', env.LATCHKEY_DEFAULT_PLAN, PLANS, 'BUSINESS'),
    requireSealedKeys: readChoice(
      'LATCHKEY_REQUIRE_SEALED_KEYS',
      env.LATCHKEY_REQUIRE_SEALED_KEYS,
      ['off', 'on', 'v2'],
      'off',
    ),
    graphiql: readSwitch('LATCHKEY_GRAPHIQL', env.LATCHKEY_GRAPHIQL, !isPublic),
    cachesPrompts:
      readChoice('LATCHKEY_PROMPT_CACHING', env.LATCHKEY_PROMPT_CACHING, ['on', 'off'], 'on') === 'on',
    providerUrls: readProviderUrls(env.LATCHKEY_PROVIDER_URLS),
    allowedOrigins: readList(env.LATCHKEY_ALLOWED_ORIGINS).map((origin) =>
      readOrigin('LATCHKEY_ALLOWED_ORIGINS', origin, true),
    ),
    allowedPrivateHosts: readList(env.LATCHKEY_ALLOWED_PRIVATE_HOSTS).map(checkPrivateHost),
    answerLimits: readAnswerLimits(env),
    personLimits: readPersonLimits(env),
    unreadLimits: readUnreadLimits(env),
    files: readFileSettings(
      {
        folder: env.LATCHKEY_FILES_DIR,
        bucket: env.LATCHKEY_S3_BUCKET,
        endpoint: env.LATCHKEY_S3_ENDPOINT,
        region: env.LATCHKEY_S3_REGION,
        accessKeyIdFile: env.LATCHKEY_S3_ACCESS_KEY_ID_FILE,
        secretAccessKeyFile: env.LATCHKEY_S3_SECRET_ACCESS_KEY_FILE,
        maxFileBytes: env.LATCHKEY_MAX_FILE_BYTES,
        maxWorkspaceBytes: env.LATCHKEY_MAX_WORKSPACE_BYTES,
        uploadsPerPerson: env.LATCHKEY_MAX_UPLOADS_PER_PERSON,
        uploads: env.LATCHKEY_MAX_UPLOADS,
      },
      dataDir,
    ),
    drainMs: readDrainSeconds(env) * 1_000,
    logLevel: readChoice(
      'LATCHKEY_LOG_LEVEL',
      env.LATCHKEY_LOG_LEVEL,
      ['debug', 'info', 'warn', 'error'],
      'info',
    ),
    trustedProxies: readNetworks('LATCHKEY_TRUSTED_PROXIES', env.LATCHKEY_TRUSTED_PROXIES),
    attempts: {
      signInsPerAccount: readCount('LATCHKEY_SIGN_INS_PER_ACCOUNT', env.LATCHKEY_SIGN_INS_PER_ACCOUNT, 10),
      signInsPerAddress: readCount('LATCHKEY_SIGN_INS_PER_ADDRESS', env.LATCHKEY_SIGN_INS_PER_ADDRESS, 100),
      signUpsPerAddress: readCount('LATCHKEY_SIGN_UPS_PER_ADDRESS', env.LATCHKEY_SIGN_UPS_PER_ADDRESS, 100),
      mailsPerAccount: readCount('LATCHKEY_MAILS_PER_ACCOUNT', env.LATCHKEY_MAILS_PER_ACCOUNT, 5),
      mailsPerAddress: readCount('LATCHKEY_MAILS_PER_ADDRESS', env.LATCHKEY_MAILS_PER_ADDRESS, 30),
      keyChecksPerPerson: readCount('LATCHKEY_KEY_CHECKS_PER_PERSON', env.LATCHKEY_KEY_CHECKS_PER_PERSON, 10),
      keyChecksPerAddress: readCount(
        'LATCHKEY_KEY_CHECKS_PER_ADDRESS',
        env.LATCHKEY_KEY_CHECKS_PER_ADDRESS,
        30,
      ),
    },
    unlimitedNetworks: readNetworks('LATCHKEY_UNLIMITED_NETWORKS', env.LATCHKEY_UNLIMITED_NETWORKS),
  };
}

/**
 * Reads the configuration of this process and takes what is secret out of its environment, where child processes, crash
 * reports and /proc would go on showing it. Throws ConfigError.
 */
export function takeConfig(env: Record<string, string | undefined>): Config {
  const config = readConfig(env);
  for (const name of SECRET_SETTINGS) delete env[name];
  return config;
}

/** Names that look like settings of Latchkey and are none: spelling mistakes, most likely. */
export function unknownSettings(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env).filter((name) => name.startsWith('LATCHKEY_') && !SETTINGS.includes(name));
}

function readAnswerLimits(env: Readonly<Record<string, string | undefined>>): Config['answerLimits'] {
  const total = readCount('LATCHKEY_MAX_ANSWERS', env.LATCHKEY_MAX_ANSWERS, 200, 10_000);
  const perPerson = readCount(
    'LATCHKEY_MAX_ANSWERS_PER_PERSON',
    env.LATCHKEY_MAX_ANSWERS_PER_PERSON,
    16,
    10_000,
  );
  return { total, perPerson };
}

function readPersonLimits(env: Readonly<Record<string, string | undefined>>): Config['personLimits'] {
  const most = 999_999;
  return {
    sockets: readCount('LATCHKEY_MAX_SOCKETS_PER_PERSON', env.LATCHKEY_MAX_SOCKETS_PER_PERSON, 50, most),
    subscriptions: readCount(
      'LATCHKEY_MAX_SUBSCRIPTIONS_PER_PERSON',
      env.LATCHKEY_MAX_SUBSCRIPTIONS_PER_PERSON,
      500,
      most,
    ),
    operationsPerSecond: readCount(
      'LATCHKEY_OPERATIONS_PER_SECOND',
      env.LATCHKEY_OPERATIONS_PER_SECOND,
      100,
      most,
    ),
    operationBurst: readCount('LATCHKEY_OPERATION_BURST', env.LATCHKEY_OPERATION_BURST, 500, most),
  };
}

function readUnreadLimits(env: Readonly<Record<string, string | undefined>>): Config['unreadLimits'] {
  return {
    perPerson:
      readCount('LATCHKEY_MAX_UNREAD_MIB_PER_PERSON', env.LATCHKEY_MAX_UNREAD_MIB_PER_PERSON, 64, 65_536) *
      MIB,
    perServer: readCount('LATCHKEY_MAX_UNREAD_MIB', env.LATCHKEY_MAX_UNREAD_MIB, 512, 65_536) * MIB,
    timeoutMs:
      readCount('LATCHKEY_WRITE_TIMEOUT_SECONDS', env.LATCHKEY_WRITE_TIMEOUT_SECONDS, 30, 3_600) * 1_000,
  };
}

/** Alone there is no other server to which the people who follow the answers could go meanwhile. */
function readDrainSeconds(env: Readonly<Record<string, string | undefined>>): number {
  const isShared = env.REDIS_URL !== undefined || env.REDIS_URL_FILE !== undefined;
  if (env.LATCHKEY_DRAIN_SECONDS === '0') return 0;
  return readCount('LATCHKEY_DRAIN_SECONDS', env.LATCHKEY_DRAIN_SECONDS, isShared ? 120 : 0, 3_600);
}

const MIB = 1024 * 1024;

const SECRET_SETTINGS = [
  'LATCHKEY_ROOT_KEY',
  'LATCHKEY_AUTH_SECRET',
  'LATCHKEY_OPERATOR_TOKEN',
  'LATCHKEY_SMTP_URL',
  'LATCHKEY_COPY_TO',
  'DATABASE_URL',
  'REDIS_URL',
];

/** All that begin with `LATCHKEY_`. */
const SETTINGS = [
  'LATCHKEY_DATA_DIR',
  'LATCHKEY_REDIS_CA_FILE',
  'LATCHKEY_COPY_TO',
  'LATCHKEY_PUBLIC_URL',
  'LATCHKEY_ROOT_KEY',
  'LATCHKEY_ROOT_KEY_FILE',
  'LATCHKEY_AUTH_SECRET',
  'LATCHKEY_AUTH_SECRET_FILE',
  'LATCHKEY_OPERATOR_TOKEN',
  'LATCHKEY_OPERATOR_TOKEN_FILE',
  'LATCHKEY_SIGN_UP',
  'LATCHKEY_SMTP_URL',
  'LATCHKEY_MAIL_FROM',
  'LATCHKEY_DEFAULT_PLAN',
  'LATCHKEY_REQUIRE_SEALED_KEYS',
  'LATCHKEY_GRAPHIQL',
  'LATCHKEY_PROMPT_CACHING',
  'LATCHKEY_PROVIDER_URLS',
  'LATCHKEY_ALLOWED_ORIGINS',
  'LATCHKEY_ALLOWED_PRIVATE_HOSTS',
  'LATCHKEY_LOG_LEVEL',
  'LATCHKEY_TRUSTED_PROXIES',
  'LATCHKEY_MAX_ANSWERS',
  'LATCHKEY_MAX_ANSWERS_PER_PERSON',
  'LATCHKEY_MAX_SOCKETS_PER_PERSON',
  'LATCHKEY_MAX_SUBSCRIPTIONS_PER_PERSON',
  'LATCHKEY_OPERATIONS_PER_SECOND',
  'LATCHKEY_OPERATION_BURST',
  'LATCHKEY_MAX_UNREAD_MIB_PER_PERSON',
  'LATCHKEY_MAX_UNREAD_MIB',
  'LATCHKEY_WRITE_TIMEOUT_SECONDS',
  'LATCHKEY_DRAIN_SECONDS',
  'LATCHKEY_FILES_DIR',
  'LATCHKEY_S3_BUCKET',
  'LATCHKEY_S3_ENDPOINT',
  'LATCHKEY_S3_REGION',
  'LATCHKEY_S3_ACCESS_KEY_ID_FILE',
  'LATCHKEY_S3_SECRET_ACCESS_KEY_FILE',
  'LATCHKEY_MAX_FILE_BYTES',
  'LATCHKEY_MAX_WORKSPACE_BYTES',
  'LATCHKEY_MAX_UPLOADS_PER_PERSON',
  'LATCHKEY_MAX_UPLOADS',
  'LATCHKEY_SIGN_INS_PER_ACCOUNT',
  'LATCHKEY_SIGN_INS_PER_ADDRESS',
  'LATCHKEY_SIGN_UPS_PER_ADDRESS',
  'LATCHKEY_MAILS_PER_ACCOUNT',
  'LATCHKEY_MAILS_PER_ADDRESS',
  'LATCHKEY_KEY_CHECKS_PER_PERSON',
  'LATCHKEY_KEY_CHECKS_PER_ADDRESS',
  'LATCHKEY_UNLIMITED_NETWORKS',
];
