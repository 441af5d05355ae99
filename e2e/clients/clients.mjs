// The official TypeScript clients, each behind the same few functions, so that what is asked of one is
// asked of all. Nothing here stands between a client and the host: every function is one call of it.
import * as old from '@modelcontextprotocol/sdk/types.js';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { keys, me, url } from './harness.mjs';

// The options of connect: token, base (another host), headers, and what the client answers and hears:
// elicit, sample and roots take a question's params; log, tools, prompts, resources and updated are told.
const asks = { elicit: 'elicitation/create', sample: 'sampling/createMessage', roots: 'roots/list' };
const news = {
  log: 'notifications/message', tools: 'notifications/tools/list_changed', prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed', updated: 'notifications/resources/updated',
};
const oldSchemas = {
  elicit: old.ElicitRequestSchema, sample: old.CreateMessageRequestSchema, roots: old.ListRootsRequestSchema,
  log: old.LoggingMessageNotificationSchema, tools: old.ToolListChangedNotificationSchema,
  prompts: old.PromptListChangedNotificationSchema, resources: old.ResourceListChangedNotificationSchema,
  updated: old.ResourceUpdatedNotificationSchema,
};

function capabilities(o) {
  return {
    ...(o.elicit && { elicitation: {} }), ...(o.sample && { sampling: {} }), ...(o.roots && { roots: {} }),
  };
}

const transportOptions = (o) => ({ requestInit: { headers: { Authorization: `Bearer ${o.token ?? keys.main}`, ...o.headers } } });
const endpoint = (o) => new URL('/mcp', o.base ?? url);

// follow opens what the era has for changes: the stream of the session is open, so only the document is named.
const oldFollow = (c) => async (uri) => { if (uri) await c.subscribeResource({ uri }); };

async function connectOld(o = {}) {
  const c = new OldClient(me, { capabilities: capabilities(o) });
  for (const k of Object.keys(asks)) if (o[k]) c.setRequestHandler(oldSchemas[k], (r) => o[k](r.params));
  for (const k of Object.keys(news)) if (o[k]) c.setNotificationHandler(oldSchemas[k], (n) => o[k](n.params));
  const transport = new OldTransport(endpoint(o), transportOptions(o));
  await c.connect(transport);
  return {
    raw: c, version: () => transport.protocolVersion, follow: oldFollow(c), server: () => c.getServerVersion(),
    offers: () => c.getServerCapabilities(), setLevel: (level) => c.setLoggingLevel(level),
    callTool: (p, options) => c.callTool(p, undefined, options), ...same(c),
  };
}

const connectNew = (mode) => async (o = {}) => {
  const c = new Client(me, { capabilities: capabilities(o), ...(mode && { versionNegotiation: { mode } }) });
  for (const k of Object.keys(asks)) if (o[k]) c.setRequestHandler(asks[k], (r) => o[k](r.params));
  for (const k of Object.keys(news)) if (o[k]) c.setNotificationHandler(news[k], (n) => o[k](n.params));
  await c.connect(new StreamableHTTPClientTransport(endpoint(o), transportOptions(o)));
  return {
    raw: c, version: () => c.getNegotiatedProtocolVersion(), server: () => c.getServerVersion(),
    offers: () => c.getServerCapabilities(),
    follow: mode ? listen(c) : oldFollow(c),
    // In the newest protocol each request says which log lines it wants.
    setLevel: mode ? undefined : (level) => c.setLoggingLevel(level),
    callTool: (p, options) => c.callTool(p, options), ...same(c),
  };
};

const listen = (c) => async (uri) => {
  await c.listen({
    toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: uri ? [uri] : [],
  });
};

const same = (c) => Object.fromEntries([
  'listTools', 'listPrompts', 'getPrompt', 'complete', 'listResources', 'listResourceTemplates', 'readResource', 'close',
].map((name) => [name, (...args) => c[name](...args)]));

export const newest = 'client 2.4.0, newest protocol';

export const clients = {
  'SDK 1.32.2': connectOld,
  'client 2.4.0': connectNew(),
  [newest]: connectNew('auto'),
};
