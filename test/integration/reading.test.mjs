// `http: { reading: token }`: what shows something asks for the scope read, what changes something for its own, and a
// browser comes in by a cookie that only reads.
import assert from 'node:assert/strict';
import test from 'node:test';
import fs from 'node:fs';
import path from 'node:path';
import { event_project, post } from '../harness/events.mjs';
import { eventually } from '../harness/process.mjs';

const viewer = 'viewer-token-0123456789';
const sender = 'sender-token-0123456789';

test('a project that shows itself to those with a token', { timeout: 120_000 }, async (t) => {
  const project = await event_project(t, 'reading', {});
  project.write('tidemark.yaml', project.read('tidemark.yaml').replace('http: { ', 'http: { reading: token, ')
    + `tokens:\n  - { name: viewer, value: ${viewer}, scopes: [read] }\n  - { name: sender, value: ${sender}, scopes: ["events:write"] }\n`
    + '  - { name: old, value: old-token-0123456789, scopes: [read], expires: 2020-02-29 }\n  - { name: slow, value: slow-token-0123456789, scopes: [read], requests_per_minute: 3 }\n  - { name: narrow, value: narrow-token-0123456789, scopes: [read], requests_per_minute: 1000, in_flight: 1 }\n'
    + '  - { name: fixed, value: fixed-token-0123456789, scopes: [read], fixed: { digit: 3 } }\n');
  const digits = 'SELECT count() AS n FROM (SELECT toString(arrayJoin(range(10))) AS digit)';
  const dashboard = (name, sql) => project.write(`dashboards/${name}.yaml`, `dashboard: ${name}\nfilters: [{ filter: digit }]\ntiles:\n  - { title: Digits, chart: number, y: n, sql: "${sql}" }\n`);
  dashboard('digits', `${digits} WHERE empty({digit:Array(String)}) OR has({digit:Array(String)}, digit)`);
  dashboard('everything', digits);
  await project.up();
  const ask = async (path, headers = {}, method = 'GET') => (await project.fetch(path, { headers, method, redirect: 'manual', signal: AbortSignal.timeout(5000) })).status;
  const bearer = (token) => ({ Authorization: `Bearer ${token}` });

  const document = await project.fetch('/openapi.json', { headers: bearer(viewer) });
  const paths = Object.entries((await document.json()).paths).filter(([path, { get }]) => get && path.startsWith('/api/') && !path.startsWith('/api/shared/')).map(([path]) => path.replaceAll(/\{\w+\}/g, 'x'));
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

  await t.test('tokens end, and have limits', async () => {
    const answer = (name, path = '/api/status') => project.fetch(path, { headers: bearer(`${name}-token-0123456789`) });
    const old = await answer('old');
    assert.deepEqual([old.status, (await old.json()).detail], [401, 'the time of the token old is over']);
    for (const left of [2, 1, 0]) {
      const taken = await answer('slow');
      assert.equal(taken.status, 200);
      assert.equal(taken.headers.get('ratelimit-policy'), '"minute";q=3;w=60');
      assert.match(taken.headers.get('ratelimit'), new RegExp(`^"minute";r=${left};t=\\d+$`));
    }
    const refused = await answer('slow');
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('content-type'), 'application/problem+json');
    const seconds = Number(refused.headers.get('retry-after'));
    assert.ok(seconds >= 1 && seconds <= 20, `${seconds} s`);
    assert.equal((await answer('viewer')).headers.get('ratelimit'), null);
    // An event stream is under way until it is left.
    const stream = await answer('narrow', '/api/events');
    assert.equal(stream.status, 200);
    assert.match(stream.headers.get('ratelimit'), /^"minute";r=\d+;t=\d+$/);
    const second = await answer('narrow');
    assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '1']);
    await stream.body.cancel();
    await eventually('there is room again', async () => (await answer('narrow')).status === 200, { deadline_ms: 10_000 });
    const settings = project.read('tidemark.yaml');
    project.write('tidemark.yaml', settings.replace('scopes: ["events:write"]', 'scopes: ["events:write"], expires: 2027-02-30, in_flight: 0'));
    const checked = await project.run('check');
    project.write('tidemark.yaml', settings);
    assert.equal(checked.code, 78);
    for (const said of [/`expires` is a day, not `2027-02-30`/, /`expires` is not for senders of events/, /`in_flight` must be between 1 and 10000/]) assert.match(checked.stderr, said);
  });

  await t.test('a token with fixed parameters sees what takes them, with its values', async () => {
    const own = bearer('fixed-token-0123456789');
    const answer = await project.fetch('/api/dashboards/digits/tiles/0', { headers: own });
    assert.equal((await answer.json()).data[0].n, '1');
    for (const path of ['/api/dashboards/digits/tiles/0?digit=4', '/api/dashboards/everything/tiles/0', '/api/dashboards/digits/tiles/0/rows', '/api/dashboards', '/api/status', '/metrics', '/api/events'])
      assert.equal(await ask(path, own), 403, path);
    const sql = await project.fetch('/api/sql', { method: 'POST', headers: own, body: '{"sql": "SELECT 1"}' });
    assert.equal(sql.status, 403);
  });

  await t.test('a signed link shows one dashboard, with its filters, for its time', async () => {
    const link = async (...args) => new URL((await project.json('link', ...args)).data.link).pathname.split('/')[2];
    const token = await link('dashboards/digits', '--expires', '1h', '--filter', 'digit=3', '--filter', 'digit=4', '--embed', 'https://intranet.example.com');
    const value = async (path, headers = {}) => (await (await project.fetch(path, { headers })).json()).data[0].n;
    assert.equal(await value('/api/dashboards/digits/tiles/0', bearer(viewer)), '10');
    assert.equal(await value(`/api/shared/${token}/tiles/0`), '2');
    const shown = await project.fetch(`/api/shared/${token}`);
    const text = await shown.text();
    assert.doesNotMatch(text, /SELECT|arrayJoin/);
    assert.deepEqual([JSON.parse(text).fixed, JSON.parse(text).dashboard.filters, JSON.parse(text).dashboard.name], [{ digit: ['3', '4'] }, [], 'digits']);
    // What it is not for.
    for (const path of ['/api/dashboards/digits', '/api/status', '/api/dashboards', '/api/events']) assert.equal(await ask(path, bearer(token)), 401, path);
    assert.equal(await ask(`/api/shared/${token}/tiles/0/rows`), 404);
    assert.equal(await ask(`/api/shared/${token}/tiles/0?name=everything`), 400);
    // Widened.
    for (const path of ['tiles/0?digit=5', 'live?digit=3', '?digit=', 'filters?digit=1']) assert.equal(await ask(`/api/shared/${token}/${path}`.replace('/?', '?')), 403, path);
    // Forged: what is signed is what counts, to the letter.
    const [payload, signature] = token.split('.');
    const other = JSON.parse(Buffer.from(payload, 'base64url'));
    const encoded = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
    const forged = [encoded({ ...other, filters: {} }), encoded({ ...other, dashboard: 'everything', filters: {} }), encoded({ ...other, expires: other.expires + 1 })].map((changed) => `${changed}.${signature}`);
    const last = signature.at(-1) === 'A' ? 'B' : 'A';
    forged.push(payload, `${payload}.`, `${payload}.${signature.slice(0, -1)}${last}`, `${payload}A.${signature}`, `${signature}.${payload}`, 'x', '.x', `${payload}.${(await link('digits')).split('.')[1]}`);
    for (const one of forged) for (const rest of ['', '/tiles/0', '/live', '/filters']) assert.equal(await ask(`/api/shared/${one}${rest}`), 403, `${one}${rest}`);
    // In a frame of whom it names, and nowhere else.
    const framed = async (path) => /frame-ancestors ([^;]*)/.exec((await project.fetch(path)).headers.get('content-security-policy'))[1];
    assert.equal(await framed(`/shared/${token}`), "'self' https://intranet.example.com");
    for (const path of ['/', `/shared/${forged[0]}`, `/shared/${await link('digits')}`]) assert.equal(await framed(path), "'self'", path);
    // The stream says nothing of the project.
    const stream = (await project.fetch(`/api/shared/${token}/live`)).body.getReader();
    let heard = '';
    while (!/event: refresh/.test(heard)) heard += Buffer.from((await stream.read()).value).toString();
    await stream.cancel();
    assert.match(heard, /event: tile\ndata: \{"tile":0.*\[\["2"\]\]/);
    assert.doesNotMatch(heard, /event: status/);
    // One is taken back alone, also from who looks at it.
    const made = (await project.json('link', 'digits', '--expires', '1h')).data;
    const taken = new URL(made.link).pathname.split('/')[2];
    const listed = async () => (await project.json('link', 'list')).data.links.find(({ id }) => id === made.id);
    assert.deepEqual([(await listed()).state, (await listed()).dashboard, (await listed()).filters], ['open', 'digits', {}]);
    const watched = (await project.fetch(`/api/shared/${taken}/live`)).body.getReader();
    assert.equal((await project.json('link', 'revoke', made.id)).code, 0);
    for (const rest of ['', '/tiles/0', '/live', '/filters']) assert.equal(await ask(`/api/shared/${taken}${rest}`), 410, rest);
    assert.deepEqual([(await listed()).state, await ask(`/api/shared/${token}`)], ['revoked', 200]);
    assert.match((await project.run('link', 'list')).stdout, new RegExp(`${made.id}\\s.*digits.*revoked`));
    for (const args of [['revoke', 'nobody'], ['revoke', '../link'], ['revoke'], ['digits', 'more']]) assert.equal((await project.run('link', ...args)).code, 2, args.join(' '));
    await eventually('who looks at it is left', async () => {
      await post(project, '/v1/track', { userId: 'ann', event: 'Paid' }, { Authorization: `Basic ${Buffer.from(`${sender}:`).toString('base64')}` });
      return (await Promise.race([watched.read(), new Promise((resolve) => setTimeout(resolve, 300, {}))])).done === true;
    }, { deadline_ms: 15_000 });
    // Its time is over in the end; that is long enough to look at it at all.
    const short = await link('digits', '--expires', '4s');
    assert.equal(await value(`/api/shared/${short}/tiles/0`), '10');
    // A tile that does not name the filter would show everything.
    for (const [args, said] of [[['everything', '--filter', 'digit=3'], /does not name the filter digit/], [['digits', '--filter', 'digits=3'], /no filter digits \(did you mean `digit`\?\)/], [['digit'], /no dashboard digit/], [['digits', '--expires', '2y'], /no time/], [['digits', '--embed', "https://a.example; script-src *"], /no origin/]]) {
      const refused = await project.run('link', ...args);
      assert.equal(refused.code, 2, args.join(' '));
      assert.match(refused.stderr, said);
    }
    await eventually('its time is over', async () => (await ask(`/api/shared/${short}`)) === 410, { deadline_ms: 10_000 });
    assert.equal(fs.statSync(path.join(project.directory, '.tidemark/link.key')).mode & 0o777, 0o600);
    fs.rmSync(path.join(project.directory, '.tidemark/link.key'));
    assert.equal(await ask(`/api/shared/${token}`), 403, 'who deletes the key takes links back');
  });
});
