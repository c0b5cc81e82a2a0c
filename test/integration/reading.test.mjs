// `http: { reading: token }`: what shows something asks for the scope read, what changes something for its own, and a
// browser comes in by a cookie that only reads.
import assert from 'node:assert/strict';
import test from 'node:test';
import { event_project, post } from '../harness/events.mjs';

const viewer = 'viewer-token-0123456789';
const sender = 'sender-token-0123456789';

test('a project that shows itself to those with a token', { timeout: 120_000 }, async (t) => {
  const project = await event_project(t, 'reading', {});
  project.write('tidemark.yaml', project.read('tidemark.yaml').replace('http: { ', 'http: { reading: token, ')
    + `tokens:\n  - { name: viewer, value: ${viewer}, scopes: [read] }\n  - { name: sender, value: ${sender}, scopes: ["events:write"] }\n`);
  await project.up();
  const ask = async (path, headers = {}, method = 'GET') => (await project.fetch(path, { headers, method, redirect: 'manual', signal: AbortSignal.timeout(5000) })).status;
  const bearer = (token) => ({ Authorization: `Bearer ${token}` });

  const document = await project.fetch('/openapi.json', { headers: bearer(viewer) });
  const paths = Object.entries((await document.json()).paths).filter(([path, { get }]) => get && path.startsWith('/api/')).map(([path]) => path.replaceAll(/\{\w+\}/g, 'x'));
  assert.ok(paths.length > 10, paths.join());
  for (const path of ['/metrics', '/openapi.json', ...paths]) {
    assert.equal(await ask(path), 401, path);
    assert.equal(await ask(path, bearer('nobody')), 401, path);
    assert.equal(await ask(path, bearer(sender)), 403, path);
  }
  for (const path of ['/api/status', '/metrics']) assert.equal(await ask(path, bearer(viewer)), 200, path);
  for (const path of ['/', '/readyz', '/healthz']) assert.equal(await ask(path), 200, path);

  const entered = await project.fetch(`/enter?token=${viewer}`, { redirect: 'manual' });
  assert.equal(entered.status, 303);
  const cookie = entered.headers.get('set-cookie').split(';')[0];
  assert.equal(await ask('/api/status', { Cookie: `other=1; ${cookie}` }), 200);
  assert.equal(await ask('/enter?token=nobody'), 401);
  assert.equal(await ask(`/enter?token=${sender}`), 403);
  assert.equal(await ask('/api/lists/vips/clear', { Cookie: cookie }, 'POST'), 401, 'the cookie changes nothing');
  assert.equal(await ask('/api/lists/vips/clear', bearer(viewer), 'POST'), 403);

  const sent = await post(project, '/v1/track', { userId: 'ann', event: 'Paid' }, { Authorization: `Basic ${Buffer.from(`${sender}:`).toString('base64')}` });
  assert.equal(sent.status, 200, sent.text);
  const status = await project.run('status');
  assert.equal(status.code, 0, status.stderr);
});
