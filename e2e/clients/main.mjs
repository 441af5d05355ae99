// The official TypeScript clients against a running host. .ci/e2e sets what harness.mjs reads.
import { calls } from './calls.mjs';
import { clients } from './clients.mjs';
import { asked } from './asked.mjs';
import { extensions } from './extensions.mjs';
import { features } from './features.mjs';
import { finish, test } from './harness.mjs';
import { inspector } from './inspector.mjs';
import { restarts } from './restarts.mjs';

for (const [name, connect] of Object.entries(clients)) {
  const there = await test(`${name}: connects`, async () => (await connect()).close());
  if (!there) continue;
  for (const part of [calls, features, asked, extensions]) await part(name, connect);
}
await inspector();
await restarts();
finish();
