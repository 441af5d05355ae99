// The extensions that the TypeScript clients have: skills in client 2.4.0, tasks in ext-tasks 0.2.2 over
// the newest protocol. SDK 1.32.2 knows the tasks of 2025-11-25, which the host does not speak: its
// streaming call waits for the answer.
import assert from 'node:assert/strict';
import { SkillsClient } from '@modelcontextprotocol/client/ext/skills';
import { createTaskSessionFromClient, resultFromTaskOutcome } from '@modelcontextprotocol/ext-tasks/client';
import { newest } from './clients.mjs';
import { keys, me, test, url } from './harness.mjs';

export async function extensions(name, connect) {
  const client = await connect();
  if (name.startsWith('SDK 1')) {
    await test(`${name}: waits for a long tool where it would take a task`, async () => {
      const call = client.raw.experimental.tasks.callToolStream({ name: 'slow_count', arguments: { n: 2, delay_ms: 20 } });
      const said = [];
      for await (const m of call) said.push(m);
      assert.deepEqual(said.map((m) => m.type), ['result']);
      assert.equal(said[0].result.content[0].text, '1 2 ');
    });
  } else {
    await test(`${name}: lists skills, reads their files and checks them`, async () => {
      const skills = new SkillsClient(client.raw);
      assert.ok(skills.supported && skills.directoryRead);
      const { skills: [skill] } = await skills.list();
      assert.equal((await skills.get(skill.uri)).skill.uri, skill.uri);
      const body = await skills.read(skill);
      assert.ok(body.verified && body.frontmatter.name === 'hash-report', JSON.stringify(body.frontmatter));
      const script = await skills.read(skill, 'scripts/table.py');
      assert.ok(script.verified && script.text.startsWith('#!'));
      const { resources } = await skills.readDirectory('skill://hash-report/scripts');
      assert.ok(resources.some((r) => r.uri.endsWith('/table.py')), JSON.stringify(resources));
    });
  }
  if (name === newest) await tasks(name, client);
  await client.close();
}

// dispatch is the request coordinator that ext-tasks wants of its host: one POST for each request.
async function dispatch(request, options) {
  const target = request.params?.taskId ?? request.params?.name;
  const response = await fetch(new URL('/mcp', url), {
    method: 'POST', signal: options?.signal, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...request }),
    headers: {
      ...options?.context?.headers, Authorization: `Bearer ${keys.main}`, 'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream', 'Mcp-Protocol-Version': '2026-07-28',
      'Mcp-Method': request.method, ...(target && { 'Mcp-Name': target }),
    },
  });
  const body = await response.text();
  const messages = body.startsWith('{') ? [body] : body.split('\n').filter((l) => l.startsWith('data: ')).map((l) => l.slice(6));
  const answer = JSON.parse(messages.at(-1));
  return answer.error ? { kind: 'error', error: answer.error } : { kind: 'result', result: answer.result };
}

async function tasks(name, client) {
  const clientCapabilities = { elicitation: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } };
  const session = createTaskSessionFromClient(client.raw, {
    endpointId: 'e2e', rawDispatch: dispatch,
    v2RequestFraming: { protocolVersion: '2026-07-28', clientInfo: me, clientCapabilities },
    onInputRequest: () => ({ action: 'accept', content: { confirm: true } }),
  });
  const settle = async (execution) => resultFromTaskOutcome((await execution.settle()).outcome);
  await test(`${name}: comes back for the answer of a long tool`, async () => {
    const execution = await session.callTool('slow_count', { n: 3, delay_ms: 20 });
    assert.equal((await settle(execution)).content[0].text, '1 2 3 ');
  });
  await test(`${name}: answers a question of a task`, async () => {
    const execution = await session.callTool('confirm_delete', { filename: 'a.txt' });
    assert.match((await settle(execution)).content[0].text, /confirmed=true/);
  });
  await session.close();
}
