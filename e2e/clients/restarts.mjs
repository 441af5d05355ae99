// A host of this script's own, with small pages, that is stopped and killed while clients are connected.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clients } from './clients.mjs';
import { bin, cache, run, test, until } from './harness.mjs';

// freePort is one that nobody listened on a moment ago.
async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function serve(folder, port) {
  const child = spawn(bin, ['serve', '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data'),
    '--plugins', join(folder, 'plugins'), '--cache', cache, '--page-size', '3'], { stdio: 'ignore' });
  const base = `http://127.0.0.1:${port}`;
  await until('the host', async () => (await fetch(`${base}/readyz`).catch(() => ({ ok: false }))).ok);
  const end = async (signal) => { child.kill(signal); await once(child, 'exit'); };
  return { base, end };
}

export async function restarts() {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-e2e-'));
  const port = await freePort();
  let host = await serve(folder, port);
  try {
    const token = await run(bin, 'token', 'create', '--tenant', 'e2e', '--scopes', 'read:tools', '--data', join(folder, 'data'));
    const open = {};
    for (const [name, connect] of Object.entries(clients)) open[name] = await connect({ base: host.base, token });
    for (const [name, client] of Object.entries(open)) await test(`${name}: lists the tools over pages`, () => pages(name, client));
    for (const [what, signal] of [['a restart', 'SIGTERM'], ['kill -9', 'SIGKILL']]) {
      await host.end(signal);
      host = await serve(folder, port);
      for (const [name, client] of Object.entries(open)) {
        await test(`${name}: goes on after ${what}`, async () => {
          const r = await client.callTool({ name: 'text_hash', arguments: { text: 'gantry' } });
          assert.match(r.content[0].text, /[0-9a-f]{64}/);
        });
      }
    }
    for (const client of Object.values(open)) await client.close();
  } finally {
    await host.end('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

// pages lists the tools to the end: SDK 1.32.2 page by page, client 2.4.0 follows the pages by itself.
async function pages(name, client) {
  const seen = [];
  let cursor, count = 0;
  do {
    const page = await client.listTools(cursor && { cursor });
    seen.push(...page.tools.map((t) => t.name));
    cursor = page.nextCursor;
    count++;
  } while (cursor);
  assert.equal(count > 1, name.startsWith('SDK 1'), `it took ${count} requests`);
  assert.equal(new Set(seen).size, seen.length, `a tool came twice: ${seen}`);
  assert.ok(seen.includes('text_hash') && seen.includes('search_tools'), `the tools are ${seen}`);
}
