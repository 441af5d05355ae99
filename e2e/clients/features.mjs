// What a server offers beside calls: who it is, prompts, documents, completion, news, log lines, errors.
// The host has to serve examples/conformance and examples/slow.
import assert from 'node:assert/strict';
import { newest } from './clients.mjs';
import { keys, test, toolError, until } from './harness.mjs';

const watched = 'test://watched-resource';

export async function features(name, connect) {
  const heard = { tools: 0, prompts: 0, resources: 0, updated: [], log: [] };
  const client = await connect({
    tools: () => heard.tools++, prompts: () => heard.prompts++, resources: () => heard.resources++,
    updated: (p) => heard.updated.push(p.uri), log: (p) => heard.log.push(p.data),
  });
  const call = (tool, args = {}, more = {}) => client.callTool({ name: tool, arguments: args, ...more });

  await test(`${name}: learns who it speaks to`, async () => {
    assert.equal(client.version(), name === newest ? '2026-07-28' : '2025-11-25');
    assert.equal(client.server().name, 'gantry');
    const offers = client.offers();
    assert.deepEqual([offers.tools.listChanged, offers.prompts.listChanged, offers.resources.subscribe], [true, true, true]);
    assert.ok(offers.completions && offers.extensions['io.modelcontextprotocol/skills'], JSON.stringify(offers));
  });
  await test(`${name}: sees a tool's icon, title, schemas and hints`, async () => {
    const { tools } = await client.listTools();
    const count = tools.find((t) => t.name === 'slow_count');
    assert.match(count.icons[0].src, /^data:image\/svg/);
    assert.equal(count.annotations.readOnlyHint, true);
    assert.equal(tools.find((t) => t.name === 'slow_erase').annotations.destructiveHint, true);
    assert.equal(tools.find((t) => t.name === 'read_memory').outputSchema.type, 'object');
  });
  await test(`${name}: keeps something in memory, and gets it back structured`, async () => {
    const path = `e2e/${name.replaceAll(/\W+/g, '-')}.md`;
    await call('write_memory', { path, content: 'Ada likes tea.' });
    const one = (await call('read_memory', { path })).structuredContent;
    assert.equal(one.file.content, 'Ada likes tea.');
    const listed = (await call('read_memory', { prefix: 'e2e/' })).structuredContent;
    assert.ok(listed.entries.some((e) => e.path === path), JSON.stringify(listed));
    const many = (await call('read_memory', { paths: [path, 'e2e/none.md'] })).structuredContent;
    assert.equal(many.files[0].file.content, 'Ada likes tea.');
    assert.equal(many.files[1].error.code, 'NOT_FOUND');
    await call('delete_memory', { path });
    assert.equal(toolError(await call('read_memory', { path })).code, 'NOT_FOUND');
  });
  await test(`${name}: gets pictures, sounds and documents out of a call`, async () => {
    const { content } = await call('test_multiple_content_types');
    assert.deepEqual(content.map((c) => c.type), ['text', 'image', 'resource']);
    assert.equal((await call('test_audio_content')).content[0].mimeType, 'audio/wav');
  });
  await test(`${name}: lists and gets prompts`, async () => {
    const { prompts } = await client.listPrompts();
    const one = prompts.find((p) => p.name === 'test_prompt_with_arguments');
    assert.deepEqual(one.arguments.map((a) => a.name), ['arg1', 'arg2']);
    const got = await client.getPrompt({ name: one.name, arguments: { arg1: 'a', arg2: 'b' } });
    assert.match(got.messages[0].content.text, /arg1='a', arg2='b'/);
    await assert.rejects(client.getPrompt({ name: 'no_prompt' }));
  });
  await test(`${name}: is helped to complete an argument`, async () => {
    const got = await client.complete({
      ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' }, argument: { name: 'arg1', value: 'par' },
    });
    assert.deepEqual(got.completion.values, ['par1', 'par2']);
    const skills = await client.complete({
      ref: { type: 'ref/resource', uri: 'skill://{id}/{+path}' }, argument: { name: 'id', value: 'hash' },
    });
    assert.deepEqual(skills.completion.values, ['hash-report']);
  });
  await test(`${name}: lists and reads documents, by template too`, async () => {
    const { resources } = await client.listResources();
    assert.ok(resources.some((r) => r.uri === 'test://static-text'), JSON.stringify(resources));
    const [text] = (await client.readResource({ uri: 'test://static-text' })).contents;
    assert.match(text.text, /static text/);
    const [picture] = (await client.readResource({ uri: 'test://static-binary' })).contents;
    assert.match(Buffer.from(picture.blob, 'base64').toString('latin1'), /PNG/);
    const { resourceTemplates } = await client.listResourceTemplates();
    assert.ok(resourceTemplates.some((t) => t.uriTemplate === 'test://template/{id}/data'));
    const [made] = (await client.readResource({ uri: 'test://template/7/data' })).contents;
    assert.equal(JSON.parse(made.text).id, '7');
    await assert.rejects(client.readResource({ uri: 'test://none' }), { code: -32602 });
  });
  await test(`${name}: is told what changed`, async () => {
    await client.follow(watched);
    await until('news of the tools', async () => { await call('test_trigger_tool_change'); return heard.tools > 0; });
    await until('news of the prompts', async () => { await call('test_trigger_prompt_change'); return heard.prompts > 0; });
    await until('news of a document', async () => { await call('test_touch_watched_resource'); return heard.updated.includes(watched); });
  });
  await test(`${name}: hears log lines once it asks for them`, async () => {
    await call('test_logging_tool');
    assert.deepEqual(heard.log, []);
    if (client.setLevel) {
      await client.setLevel('info');
      await call('test_tool_with_logging');
      await until('three log lines', () => heard.log.length === 3);
    } else {
      await call('test_logging_tool', {}, { _meta: { 'io.modelcontextprotocol/logLevel': 'info' } });
      await until('a log line', () => heard.log.length === 1);
    }
  });
  await test(`${name}: reads what went wrong`, async () => {
    assert.equal(toolError(await call('test_error_handling')).code, 'TOOL_ERROR');
    const refused = toolError(await call('fetch', { url: 'http://127.0.0.1:1/' }));
    assert.equal(refused.code, 'FORBIDDEN');
    assert.ok(refused.hint, JSON.stringify(refused));
    await assert.rejects(call('slow_cuont'), { code: -32602, message: /slow_cuont/ });
  });
  await test(`${name}: is told which scope its key lacks`, async () => {
    const reader = await connect({ token: keys.reader });
    const e = toolError(await reader.callTool({ name: 'write_memory', arguments: { path: 'x', content: 'y' } }));
    assert.equal(e.code, 'FORBIDDEN');
    assert.match(e.message, /write:tools|read:data/);
    await reader.close();
  });
  await test(`${name}: is not let in with a key that is not good, nor from a foreign page`, async () => {
    const cut = keys.main.slice(0, -1);
    await assert.rejects(connect({ token: cut }), (err) => /401|Unauthorized|UNAUTHENTICATED|known/i.test(String(err)) && !String(err).includes(cut));
    await assert.rejects(connect({ headers: { Origin: 'https://evil.example' } }), /403|Forbidden|may not speak/i);
  });
  await client.close();
}
