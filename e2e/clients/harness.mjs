// What the scripts of this folder share: where the host is, a counting test(), and the command line.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const need = (name) => process.env[name] ?? (() => { throw new Error(`${name} is not set; make e2e sets it`); })();

export const url = need('GANTRY_URL');
// Keys of the tenant e2e: KEY may everything but rule, LEAN is of --tools meta, READER has read:tools
// alone. CAREFUL is of a tenant that wants a person's word before a destructive call.
export const keys = { main: need('KEY'), lean: need('LEAN'), reader: need('READER'), careful: need('CAREFUL') };
export const bin = need('GANTRY_BIN');
export const cache = need('GANTRY_CACHE');
export const me = { name: 'e2e', version: '1' };

const count = { ok: 0, FAIL: 0 };

// test runs f to its end, says what became of it, and goes on.
export async function test(name, f) {
  let mark = 'ok', why = '';
  try {
    await f();
  } catch (err) {
    mark = 'FAIL';
    why = `\n      ${err?.stack ?? err}`;
  }
  count[mark]++;
  console.log(`${mark.padEnd(6)}${name}${why}`);
  return mark === 'ok';
}

export function finish() {
  console.log(`TypeScript clients: ${count.ok} passed, ${count.FAIL} failed`);
  process.exit(count.FAIL > 0 ? 1 : 0);
}

// until waits for f to answer what is true, for at most 20 seconds.
export async function until(what, f) {
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(20)) {
    if (await f()) return;
  }
  throw new Error(`${what} has not come in 20 seconds`);
}

// run answers what a program of this machine has written.
export async function run(program, ...args) {
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 16 << 20 });
  return stdout.trim();
}

// toolError is the ToolError of a failed call.
export function toolError(result) {
  if (!result.isError) throw new Error(`it is no error: ${JSON.stringify(result)}`);
  return JSON.parse(result.content[0].text);
}
