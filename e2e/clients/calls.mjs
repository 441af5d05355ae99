// Finding tools and calling them. The host has to serve text_hash, and slow_count with room for one call
// at a time: that is how the end of a cancelled call is seen. The key's tenant has to have the skill
// examples/skills/hash-report.
import assert from 'node:assert/strict';
import { keys, test } from './harness.mjs';

// sha256 of "gantry"
const hash = { tool: 'text_hash', args: { text: 'gantry' } };

// calls holds the client to what it is there for: finding tools and calling them.
export async function calls(name, connect) {
  const client = await connect();
  await test(`${name}: lists the tools`, async () => {
    const names = (await client.listTools()).tools.map((t) => t.name);
    assert.ok(names.includes('text_hash') && names.includes('slow_count'), `the tools are ${names}`);
  });
  await test(`${name}: calls a tool`, async () => {
    const r = await client.callTool({ name: hash.tool, arguments: hash.args });
    assert.ok(!r.isError, JSON.stringify(r));
    assert.match(r.content[0].text, /[0-9a-f]{64}/);
  });
  await test(`${name}: reads why arguments are refused`, async () => {
    const r = await client.callTool({ name: hash.tool, arguments: { txt: 'gantry' } });
    assert.equal(r.isError, true);
    assert.equal(JSON.parse(r.content[0].text).code, 'INVALID_ARG');
  });
  await test(`${name}: reads a skill and its files`, async () => {
    const { resources } = await client.listResources();
    assert.ok(resources.some((r) => r.uri === 'skill://hash-report'), JSON.stringify(resources));
    const [body] = (await client.readResource({ uri: 'skill://hash-report' })).contents;
    assert.match(body.text, /Never shorten a hash/);
    const [script] = (await client.readResource({ uri: 'skill://hash-report/scripts/table.py' })).contents;
    assert.match(script.text, /^#!/);
    await assert.rejects(client.readResource({ uri: 'skill://hash-report/none.py' }));
  });
  await test(`${name}: finds a tool and calls it by name, with progress`, async () => {
    const found = await client.callTool({ name: 'search_tools', arguments: { query: 'counting slowly', limit: 1 } });
    const [tool] = JSON.parse(found.content[0].text).tools;
    assert.equal(tool.name, 'slow_count');
    assert.equal(tool.inputSchema.properties.n.type, 'integer');
    const heard = [];
    const r = await client.callTool(
      { name: 'call_tool', arguments: { name: tool.name, arguments: { n: 2, delay_ms: 20 } } },
      { onprogress: (p) => heard.push(p) },
    );
    assert.equal(r.content[0].text, '1 2 ');
    assert.deepEqual(heard.filter((p) => p.total === 2).map((p) => p.progress), [1, 2]);
    const wrong = await client.callTool({ name: 'call_tool', arguments: { name: 'slow_cuont' } });
    assert.equal(wrong.isError, true);
    assert.match(JSON.parse(wrong.content[0].text).hint, /slow_count/);
  });
  await test(`${name}: sees the host's own tools alone with a key that says so`, async () => {
    const short = await connect({ token: keys.lean });
    assert.deepEqual((await short.listTools()).tools.map((t) => t.name), ['call_tool', 'search_tools']);
    const r = await short.callTool({ name: 'call_tool', arguments: { name: hash.tool, arguments: hash.args } });
    assert.match(r.content[0].text, /[0-9a-f]{64}/);
    await short.close();
  });
  await test(`${name}: hears progress`, async () => {
    const heard = [];
    const r = await client.callTool(
      { name: 'slow_count', arguments: { n: 3, delay_ms: 20 } },
      { onprogress: (p) => heard.push(p) },
    );
    assert.equal(r.content[0].text, '1 2 3 ');
    const done = heard.filter((p) => p.total === 3).map((p) => p.progress);
    assert.deepEqual(done, [1, 2, 3]);
  });
  await test(`${name}: cancels a call, and it ends`, async () => {
    const stop = new AbortController();
    const call = client.callTool(
      { name: 'slow_count', arguments: { n: 1000, delay_ms: 50 } },
      { signal: stop.signal, onprogress: () => stop.abort('enough') },
    );
    await assert.rejects(call);
    const r = await client.callTool({ name: 'slow_count', arguments: { n: 1, delay_ms: 0 } }, { timeout: 10_000 });
    assert.equal(r.content[0].text, '1 ');
  });
  await client.close();
}
