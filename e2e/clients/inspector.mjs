// The inspector's command line, in every method that it has for a server over HTTP, in both eras.
import assert from 'node:assert/strict';
import { keys, run, test, url } from './harness.mjs';

const inspect = (...args) => run('node_modules/.bin/mcp-inspector', '--cli', new URL('/mcp', url).href, '--transport', 'http', ...args);

export async function inspector() {
  for (const era of ['legacy', 'modern']) await speaks(era);
  await test('inspector 2.12.0: is not let in with a key that is not good', async () => {
    await assert.rejects(inspect('--header', `Authorization: Bearer ${keys.main.slice(0, -1)}`, '--stored-auth-only', '--method', 'tools/list'));
  });
}

async function speaks(era) {
  const name = `inspector 2.12.0, ${era}`;
  const ask = async (method, ...args) => JSON.parse(await inspect(
    '--protocol-era', era, '--header', `Authorization: Bearer ${keys.main}`, '--method', method, ...args));
  await test(`${name}: is told who it speaks to`, async () => {
    const hello = await ask('initialize');
    assert.equal(hello.protocolVersion, era === 'modern' ? '2026-07-28' : '2025-11-25');
    assert.equal(hello.serverInfo.name, 'gantry');
    if (era === 'legacy') assert.deepEqual(await ask('logging/setLevel', '--log-level', 'info'), {});
  });
  await test(`${name}: lists tools and calls them`, async () => {
    const list = await ask('tools/list');
    assert.ok(list.tools.some((t) => t.name === 'text_hash'));
    assert.match(list.tools.find((t) => t.name === 'slow_count').icons[0].src, /^data:image/);
    const r = await ask('tools/call', '--tool-name', 'text_hash', '--tool-arg', 'text=gantry');
    assert.match(r.content[0].text, /[0-9a-f]{64}/);
    const found = await ask('tools/call', '--tool-name', 'search_tools', '--tool-arg', 'query=hash');
    assert.equal(JSON.parse(found.content[0].text).tools[0].name, 'text_hash');
    await assert.rejects(ask('tools/call', '--tool-name', 'text_hash', '--tool-arg', 'txt=gantry'),
      (err) => err.code === 5 && /INVALID_ARG/.test(err.stdout)); // its exit code for a ToolError
  });
  await test(`${name}: keeps something in memory, by the tool's name and by call_tool`, async () => {
    const call = async (tool, args) => ask('tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args));
    const path = `e2e/inspector-${era}.md`;
    await call('write_memory', { path, content: 'Ada likes tea.' });
    assert.equal((await call('read_memory', { path })).structuredContent.file.content, 'Ada likes tea.');
    const again = await call('call_tool', { name: 'read_memory', arguments: { path } });
    assert.equal(again.structuredContent.file.content, 'Ada likes tea.');
    await call('delete_memory', { path });
  });
  await test(`${name}: sees what its key may see`, async () => {
    const as = (token, ...args) => inspect('--protocol-era', era, '--header', `Authorization: Bearer ${token}`, '--method', ...args);
    const { tools } = JSON.parse(await as(keys.lean, 'tools/list'));
    assert.deepEqual(tools.map((t) => t.name), ['call_tool', 'search_tools']);
    // It calls nothing by a name that is not listed.
    await assert.rejects(as(keys.reader, 'tools/call', '--tool-name', 'call_tool', '--tool-args-json',
      '{"name":"write_memory","arguments":{"path":"x","content":"y"}}'),
      (err) => err.code === 5 && /FORBIDDEN/.test(err.stdout));
  });
  await test(`${name}: lists and gets prompts`, async () => {
    assert.ok((await ask('prompts/list')).prompts.some((p) => p.name === 'test_simple_prompt'));
    const got = await ask('prompts/get', '--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=a', 'arg2=b');
    assert.match(got.messages[0].content.text, /arg1='a', arg2='b'/);
  });
  await test(`${name}: lists and reads documents`, async () => {
    assert.ok((await ask('resources/list')).resources.some((r) => r.uri === 'skill://hash-report'));
    assert.ok((await ask('resources/templates/list')).resourceTemplates.length > 0);
    const got = await ask('resources/read', '--uri', 'skill://hash-report');
    assert.match(got.contents[0].text, /Never shorten a hash/);
  });
  await test(`${name}: lists skills, and finds their digests right`, async () => {
    const report = await inspect('--protocol-era', era, '--header', `Authorization: Bearer ${keys.main}`, '--method', 'skills/list',
      '--verify', '--require-digests', '--quiet');
    assert.match(report, /hash-report/);
    const one = await ask('skills/get', '--uri', 'skill://hash-report/SKILL.md');
    assert.equal(one.skill.frontmatter.name, 'hash-report');
    const { resources } = await ask('resources/directory/read', '--uri', 'skill://hash-report/scripts');
    assert.deepEqual(resources.map((r) => r.name), ['table.py']);
  });
}
