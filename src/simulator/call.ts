import type { IncomingMessage } from 'node:http';
import { type KeyFault, keyFault, listsFaultModels, MODEL_FAULTS } from './faults.ts';
import { parseObject } from './json.ts';
import type { Outlet } from './outlet.ts';
import { type Gate, playAnswer } from './play.ts';
import type { PromptCache } from './prompt-cache.ts';
import {
  type Asked,
  isReply,
  type ModelFacts,
  modelFacts,
  type Refusal,
  type RefusalReason,
  type Reply,
  refusal,
  type SimulatedProvider,
} from './provider.ts';
import { keyRefusal, modelRefusal } from './reason.ts';
import { writeScript } from './script.ts';
import type { TryCounter } from './try-counter.ts';

/** One call that was received whole, and what is needed to answer it. */
export interface Call {
  provider: SimulatedProvider;
  request: IncomingMessage;
  url: URL;
  body: string;
  outlet: Outlet;
  gate: Gate;
  tries: TryCounter;
  cache: PromptCache;
  paceMs: number;
}

const KEY_RETRY_AFTER_SECONDS = 30;

/** Answers one call as its provider would, with the faults that its key and its model ask for. */
export async function answerCall(call: Call): Promise<void> {
  const { provider, request, url, outlet } = call;
  const secret = provider.keyOf(request.headers);
  const refuse = (reason: RefusalReason, facts: Partial<Refusal> = {}) =>
    outlet.reply(provider.refuse(refusal(reason, { secret, ...facts })), provider.headers);

  const path = url.pathname.slice(provider.mount.length);
  const route = provider.route({
    method: request.method ?? 'GET',
    path,
    query: url.searchParams,
    headers: request.headers,
  });
  if (!route) return refuse('unknown-path');
  if (route.type === 'reply') return outlet.reply(route.reply, provider.headers);
  if (route.key === 'required' && !secret) return refuse('no-key');

  const fault = keyFault(secret);
  if (fault === 'hang') return outlet.stall();
  const reason = fault && keyRefusal(fault, route);
  if (reason) return refuse(reason, { retryAfterSeconds: KEY_RETRY_AFTER_SECONDS });

  switch (route.type) {
    case 'check':
      return outlet.reply(route.reply(secret), provider.headers);
    case 'list':
      return outlet.reply(route.reply(listedModels(provider, secret, fault)), provider.headers);
    case 'answer':
      return answerQuestion(call, route.read, refuse);
    default:
      route satisfies never;
  }
}

async function answerQuestion(
  call: Call,
  read: (body: NonNullable<ReturnType<typeof parseObject>>) => Asked | Reply,
  refuse: (reason: RefusalReason, facts?: Partial<Refusal>) => void,
): Promise<void> {
  const { provider, outlet } = call;
  const body = parseObject(call.body);
  if (!body) return refuse('bad-request', { detail: 'The body is not a JSON object.' });
  const asked = read(body);
  if (isReply(asked)) return outlet.reply(asked, provider.headers);

  const { conversation, frames } = asked;
  const model = findModel(provider, conversation.model);
  if (!model) return refuse('unknown-model', { model: conversation.model });
  const account = `${provider.name} ${provider.keyOf(call.request.headers)}`;
  const script = writeScript(conversation, model, call.cache.use(account, conversation), call.paceMs);
  const reason = modelRefusal(script, () => call.tries.add(call.url.pathname + call.body));
  if (reason) return refuse(reason, { model: conversation.model });
  if (script.fault === 'html') return outlet.reply(WEB_PAGE, provider.headers);
  if (!conversation.isStreaming) {
    return outlet.reply(
      { status: 200, body: frames.whole(script.text.join(''), script.end, script.tokens) },
      provider.headers,
    );
  }
  outlet.openStream(provider.headers);
  await playAnswer(outlet, script, frames, call.gate);
}

function listedModels(provider: SimulatedProvider, secret: string, fault: KeyFault | null): ModelFacts[] {
  if (fault === 'empty') return [];
  return listsFaultModels(secret) ? [...provider.models, ...faultModels(provider)] : [...provider.models];
}

function findModel(provider: SimulatedProvider, id: string): ModelFacts | undefined {
  return [...provider.models, ...faultModels(provider)].find(
    (model) => model.id === id || model.aliases.includes(id),
  );
}

function faultModels(provider: SimulatedProvider): ModelFacts[] {
  return MODEL_FAULTS.map((fault) =>
    modelFacts(provider.faultModelPrefix + fault, {
      title: `Simulated: ${fault}`,
      reasons: fault === 'reasoning',
    }),
  );
}

const WEB_PAGE: Reply = {
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><title>Welcome</title><p>Sign in to this network to go on.</p>\n',
};
