// What a call may ask of its client: a form, a model's text, the folders, and a person's word before
// something is lost. In the older protocols the host asks on the call's stream, in the newest a call ends
// with its questions and is sent again with the answers; both clients do either by themselves.
import assert from 'node:assert/strict';
import { newest } from './clients.mjs';
import { keys, test, toolError } from './harness.mjs';

export async function asked(name, connect) {
  const questions = [];
  let say = () => ({ action: 'decline' });
  const client = await connect({
    elicit: (p) => { questions.push(p); return say(p); },
    sample: () => ({ role: 'assistant', model: 'none', content: { type: 'text', text: 'Paris' } }),
    roots: () => ({ roots: [{ uri: 'file:///e2e', name: 'e2e' }] }),
  });
  const text = async (c, tool, args = {}) => (await c.callTool({ name: tool, arguments: args })).content[0].text;
  const accept = (content) => { say = () => ({ action: 'accept', content }); };

  await test(`${name}: fills in a form, or does not`, async () => {
    accept({ username: 'ada' });
    assert.match(await text(client, 'test_elicitation', { message: 'Who?' }), /action=accept, content=\{"username":"ada"\}/);
    assert.deepEqual([questions.at(-1).message, questions.at(-1).requestedSchema.required], ['Who?', ['username']]);
    say = () => ({ action: 'decline' });
    assert.match(await text(client, 'test_elicitation', { message: 'Who?' }), /action=decline/);
  });
  await test(`${name}: answers twice within one call`, async () => {
    say = (p) => ({ action: 'accept', content: 'name' in p.requestedSchema.properties ? { name: 'Ada' } : { color: 'red' } });
    assert.equal(await text(client, 'test_input_required_result_multi_round'), 'Ada likes red');
  });
  await test(`${name}: answers for its model and its folders, three questions at once`, async () => {
    assert.match(await text(client, 'test_sampling', { prompt: 'Capital?' }), /Paris/);
    assert.match(await text(client, 'test_input_required_result_list_roots'), /1 root\(s\): file:\/\/\/e2e/);
    accept({ name: 'Ada' });
    assert.match(await text(client, 'test_input_required_result_multiple_inputs'), /Paris Ada, with 1 root/);
  });
  await test(`${name}: answers a prompt's question`, async () => {
    accept({ context: 'tea' });
    const got = await client.getPrompt({ name: 'test_input_required_result_prompt' });
    assert.match(got.messages[0].content.text, /Context: tea/);
  });
  await test(`${name}: is asked by a tool that it calls by name`, async () => {
    accept({ username: 'ada' });
    assert.match(await text(client, 'call_tool', { name: 'test_elicitation', arguments: { message: 'Who?' } }), /"ada"/);
  });
  await client.close();

  const gated = await connect({ token: keys.careful, elicit: (p) => { questions.push(p); return say(p); } });
  await test(`${name}: lets a person say yes, and no, before something is lost`, async () => {
    questions.length = 0;
    accept({ confirm: true });
    assert.equal(await text(gated, 'slow_erase', { what: 'the moon' }), 'erased the moon');
    assert.match(questions[0].message, /slow_erase[^]*the moon/);
    assert.equal(await text(gated, 'call_tool', { name: 'slow_erase', arguments: { what: 'Mars' } }), 'erased Mars');
    accept({ confirm: false });
    const no = await gated.callTool({ name: 'slow_erase', arguments: { what: 'Venus' } });
    assert.equal(toolError(no).code, 'DECLINED');
    assert.equal(questions.length, 3);
  });
  await gated.close();

  const mute = await connect({ token: keys.careful });
  await test(`${name}: does not get round the person by not asking`, async () => {
    const call = mute.callTool({ name: 'slow_erase', arguments: { what: 'the moon' } });
    if (name === newest) {
      await assert.rejects(call, { code: -32021 });
    } else {
      assert.equal(toolError(await call).code, 'CONFIRMATION_REQUIRED');
    }
  });
  await mute.close();
}
