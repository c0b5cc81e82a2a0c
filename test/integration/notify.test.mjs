// Notifications end to end: rows written into the outbox of a running project arrive at real receivers, signed so that
// Standard Webhooks' own verifier takes them, each at least once and in order for each entity, also over kill -9.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Webhook } from 'standardwebhooks';
import { binary, eventually, make_directory, processes_in, remove_directory, run } from '../harness/process.mjs';
import { Project } from '../harness/project.mjs';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const next_secret = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';

class Receiver {
  requests = [];
  script = () => 200;
  async start(port = 0) {
    this.server = http.createServer((request, response) => {
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', () => {
        const received = { headers: request.headers, body: Buffer.concat(pieces).toString() };
        const status = this.script(received);
        if (status === null) return; // hangs
        if (status === 'cut') return void request.socket.resetAndDestroy();
        this.requests.push({ ...received, status });
        response.writeHead(status).end();
      });
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }
  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
  // What it took, less what it had seen before: the view of a receiver that keeps ids.
  taken() {
    const ids = new Set();
    return this.requests
      .filter(({ status, headers }) => status === 200 && !ids.has(headers['webhook-id']) && ids.add(headers['webhook-id']))
      .map(({ body }) => JSON.parse(body));
  }
}

// A mail server that takes everything but what is for refused@example.com.
class MailServer {
  mails = [];
  async start() {
    this.server = net.createServer((socket) => {
      let mail = { to: [] };
      let buffer = '';
      let data = false;
      const say = (line) => socket.write(line + '\r\n');
      socket.on('error', () => {});
      socket.on('data', (piece) => {
        buffer += piece;
        for (let end; (end = buffer.indexOf(data ? '\r\n.\r\n' : '\r\n')) >= 0; ) {
          const line = buffer.slice(0, end);
          buffer = buffer.slice(end + (data ? 5 : 2));
          if (data) {
            this.mails.push({ ...mail, text: line });
            mail = { to: [] };
            data = false;
            say('250 taken');
          } else if (/^EHLO/i.test(line)) say('250 here');
          else if (/^MAIL FROM:(.*)/i.test(line)) say(((mail.from = line.slice(10)), '250 fine'));
          else if (/refused@/.test(line)) say('550 no such mailbox');
          else if (/^RCPT TO:/i.test(line)) say((mail.to.push(line.slice(8)), '250 fine'));
          else if (/^DATA/i.test(line)) say(((data = true), '354 go on'));
          else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
          else say('502 what?');
        }
      });
      say('220 test');
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }
  stop() {
    return new Promise((resolve) => this.server.close(resolve));
  }
}
const words_of = (text) => {
  const [head, body] = text.split('\r\n\r\n');
  return { head, text: Buffer.concat(body.split('\r\n').map((line) => Buffer.from(line, 'base64'))).toString() };
};

// Rows from `first` on, as anybody may write them.
function rows_of(first, count, entities, destinations) {
  return (
    'INSERT INTO tidemark.outbox (seq, kind, subject, subject_version, entity, cause, happened_at, destinations, data) ' +
    `SELECT ${first} + number AS seq, if(intDiv(seq, ${entities}) % 2 = 0, 'segment.entered', 'segment.exited'), 'vip', '1', toString(seq % ${entities}), 'event', ` +
    `now64(3), [${destinations.map((name) => `'${name}'`)}], concat('{"segment":"vip","entity":"', toString(seq % ${entities}), '","seq":', toString(seq), '}') FROM numbers(${count})`
  );
}

function assert_whole(bodies, count, entities) {
  const last = new Map();
  for (const { data } of bodies) {
    assert.ok(data.seq > (last.get(data.seq % entities) ?? 0), `${data.seq} came after ${last.get(data.seq % entities)}`);
    last.set(data.seq % entities, data.seq);
  }
  assert.equal(new Set(bodies.map(({ data }) => data.seq)).size, count);
}

test('notifications', { timeout: 600_000 }, async (t) => {
  const directory = make_directory('notify');
  const receiver = await new Receiver().start();
  const mail = await new MailServer().start();
  const slack = await new Receiver().start();
  const project = await Project.create(directory, { pack: null, environment: { WEBHOOK_SECRET: secret } });
  t.after(async () => {
    await project.up_child?.end({ signal: 'SIGKILL' });
    await receiver.stop();
    await slack.stop();
    await mail.stop();
    await eventually('the processes of the test are gone', () => processes_in(directory).length === 0, { deadline_ms: 15_000 });
    remove_directory(directory);
  });
  project.write(
    'destinations/crm.yaml',
    `destination: crm\nwebhook:\n  url: http://127.0.0.1:${receiver.port}/hook?token=swordfish\n  secrets: ["\${env:WEBHOOK_SECRET}", ${next_secret}]\n` +
      '  headers: { X-Api-Key: open-sesame }\n  allow_private: [127.0.0.0/8]\n',
  );
  project.write('destinations/lines.yaml', 'destination: lines\nfile: { path: out/lines.ndjson }\n');
  project.write('destinations/live.yaml', 'destination: live\nsse: {}\n');
  const mailbox = (name, to) =>
    project.write(
      `destinations/${name}.yaml`,
      `destination: ${name}\nsmtp: { url: "smtp://127.0.0.1:${mail.port}", tls: none, from: "Tidemark <crm@example.com>", to: ${to}, subject: "{subject}: {entity} é", text: "{type} {data.seq}" }\n` +
        'batch: 10\nbatch_wait: 1s\n',
    );
  mailbox('mailbox', '[one@example.com, two@example.com]');
  mailbox('no_mailbox', 'refused@example.com');
  project.write('destinations/chat.yaml', `destination: chat\nslack: { url: "http://127.0.0.1:${slack.port}/services/T0/swordfish", text: "*{entity}* {type}", allow_private: true }\n`);
  project.write('destinations/inside.yaml', `destination: inside\nwebhook: { url: "http://127.0.0.1:${receiver.port}/", secret: ${secret} }\n`);
  const write = async (text) => {
    const { code, stderr } = await project.run('sql', '--admin', text);
    assert.equal(code, 0, stderr);
  };
  const destination = async (name) => (await project.status()).destinations.find((entry) => entry.destination === name);
  const lines = () => fs.readFileSync(path.join(project.directory, 'out/lines.ndjson'), 'utf8').trimEnd().split('\n').map(JSON.parse);

  await t.test('rows written into the outbox arrive, and the official verifier takes them', async () => {
    await project.up();
    await write(rows_of(1, 300, 20, ['crm', 'lines', 'live']));
    await eventually('all arrive', (seen) => (seen(receiver.requests.length), receiver.requests.length >= 300));
    assert.equal(receiver.requests.length, 300);
    assert_whole(receiver.taken(), 300, 20);
    for (const { headers, body } of receiver.requests) {
      for (const key of [secret, next_secret]) assert.deepEqual(new Webhook(key).verify(body, headers), JSON.parse(body));
      assert.equal(headers['x-api-key'], 'open-sesame');
    }
    assert.throws(() => new Webhook('whsec_' + Buffer.from('another key, of 24 bytes').toString('base64')).verify(receiver.requests[0].body, receiver.requests[0].headers));
    const body = JSON.parse(receiver.requests[0].body);
    assert.match(body.type, /^segment\.(entered|exited)$/);
    assert.ok(Math.abs(Date.parse(body.timestamp) - Date.now()) < 60_000);
    await eventually('all are in the file', () => lines().length === 300);
    assert_whole(lines(), 300, 20);
    await eventually('nothing is pending', async (seen) => {
      const facts = await destination('crm');
      seen(facts);
      return facts.pending === 0 && facts.delivered === 300;
    });
  });

  await t.test('a feed sends what comes, and what was missed', async () => {
    const answer = await fetch(`http://127.0.0.1:${project.http_port}/api/feeds/live`, { headers: { 'Last-Event-ID': '290' }, signal: AbortSignal.timeout(30_000) });
    assert.equal(answer.status, 200);
    await write(rows_of(301, 10, 20, ['live', 'crm', 'lines']));
    let text = '';
    for await (const piece of answer.body) {
      text += Buffer.from(piece).toString();
      if (/^id: 310$/m.test(text) && text.endsWith('\n\n')) break;
    }
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    assert.deepEqual(ids, Array.from({ length: 20 }, (_, index) => 291 + index));
    assert.match(text, /^event: segment\.(entered|exited)$/m);
    assert.equal((await project.fetch('/api/feeds/crm')).status, 404);
  });

  await t.test('mail in digests, and a line for each in Slack', async () => {
    await write(rows_of(311, 4, 20, ['mailbox', 'no_mailbox', 'chat']));
    await eventually('the mail', () => mail.mails.length > 0);
    assert.equal(mail.mails.length, 1);
    assert.deepEqual(mail.mails[0].to, ['<one@example.com>', '<two@example.com>']);
    assert.equal(mail.mails[0].from, '<crm@example.com>');
    const { head, text } = words_of(mail.mails[0].text);
    const subject = /^Subject: =\?UTF-8\?B\?(.*)\?=$/m.exec(head.replaceAll('\r', ''))[1];
    assert.equal(Buffer.from(subject, 'base64').toString(), 'vip: 11 é (and 3 more)');
    assert.equal(text.replaceAll(/segment\.\w+/g, 'x'), 'x 311\r\nx 312\r\nx 313\r\nx 314\r\n');
    await eventually('it is refused, and said so', async (seen) => {
      const facts = await destination('no_mailbox');
      seen(facts);
      return facts.last_error?.message.startsWith('550') && facts.waiting_entities === 4;
    });
    await eventually('Slack', () => slack.requests.length > 0);
    assert.match(JSON.parse(slack.requests[0].body).text, /^\*11\* segment\.\w+(\n|$)/);
  });

  await t.test('a receiver that fails, cuts the connection, or dies holds up only its entities', async () => {
    await eventually('calm', async () => (await destination('crm')).pending === 0);
    receiver.requests = [];
    receiver.script = ({ body }) => (JSON.parse(body).data.entity === '3' ? 500 : JSON.parse(body).data.entity === '4' ? 'cut' : 200);
    await write(rows_of(321, 200, 20, ['crm']));
    await eventually('the others arrive', (seen) => (seen(receiver.taken().length), receiver.taken().length === 180));
    await eventually('two entities wait', async () => (await destination('crm')).waiting_entities === 2);
    // Ten of each entity; counted now and then.
    await eventually('twenty are pending', async (seen) => {
      const { data } = await project.json('destination', 'list');
      seen(data);
      return data.destinations.find((entry) => entry.destination === 'crm').pending === 20;
    });
    receiver.script = () => 200;
    assert.equal((await project.run('destination', 'resume', 'crm')).code, 0);
    await eventually('all arrive', () => receiver.taken().length === 200);
    assert_whole(receiver.taken(), 200, 20);
  });

  await t.test('kill -9 while delivering: everything arrives, in order, after ids seen before are left out', async () => {
    receiver.requests = [];
    const total = 6_000;
    let first = 601;
    const end = first + total;
    const entities = 50;
    const random = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000);
    t.diagnostic(`TIDEMARK_SEED=${random}`);
    let state = random;
    const chance = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    receiver.script = () => (chance() < 0.02 ? 500 : 200);
    for (let round = 0; round < 4; ++round) {
      await write(rows_of(first, total / 4, entities, ['crm', 'lines']));
      first += total / 4;
      const before = receiver.taken().length;
      await eventually('some arrive', () => receiver.taken().length > before + 200);
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      // A line that a crash cut short.
      if (round === 1) fs.appendFileSync(path.join(project.directory, 'out/lines.ndjson'), '{"type":"segment.en');
      await eventually('its ClickHouse is gone', () => processes_in(project.directory).length === 0, { deadline_ms: 30_000 });
      await project.up();
    }
    receiver.script = () => 200;
    await project.run('destination', 'resume', 'crm');
    await eventually('all arrive', (seen) => (seen(receiver.taken().length), receiver.taken().length === total), { deadline_ms: 120_000 });
    assert_whole(receiver.taken(), total, entities);
    const ids = new Set();
    const unseen = () => (ids.clear(), lines().filter(({ id, data }) => data.seq >= end - total && !ids.has(id) && ids.add(id)));
    await eventually('the file has all', () => unseen().length === total);
    assert_whole(unseen(), total, entities);
    assert.equal(await project.clickhouse("SELECT countIf(state = 'dead') FROM tidemark.deliveries FINAL", { account: 'admin' }), '0\n');
  });

  await t.test('410 disables; the verb resumes', async () => {
    await eventually('calm', async () => (await destination('crm')).pending === 0);
    receiver.requests = [];
    receiver.script = () => 410;
    await write(rows_of(10_001, 5, 5, ['crm']));
    await eventually('disabled', async () => (await destination('crm')).disabled);
    assert.match((await destination('crm')).reason, /410/);
    const metrics = await (await project.fetch('/metrics')).text();
    assert.match(metrics, /tidemark_destination_state\{destination="crm",state="disabled"\} 1/);
    const tested = await project.json('destination', 'test', 'crm');
    assert.equal(tested.code, 1);
    assert.equal(tested.data.status, 410);
    receiver.script = () => 200;
    assert.equal((await project.run('destination', 'resume', 'crm')).code, 0);
    await eventually('all arrive', () => receiver.taken().filter(({ type }) => type !== 'tidemark.test').length === 5);
    assert.equal((await project.run('destination', 'test', 'crm')).code, 0);
  });

  await t.test('dead letters: listed, sent again, dropped; a range is replayed with its ids', async () => {
    receiver.requests = [];
    await write("INSERT INTO tidemark.outbox (seq, kind, subject, entity, happened_at, destinations, data) VALUES (20001, 'x', 'vip', 'a', now64(3), ['crm'], 'no json'), (20002, 'x', 'vip', 'b', now64(3), ['crm'], '[]')");
    const dead = async () => (await project.json('deadletter', 'list', 'crm')).data.deadletters;
    await eventually('two are dead', async () => (await dead()).length === 2);
    assert.match((await dead())[0].answer, /no JSON object/);
    assert.match((await project.run('deadletter', 'list')).stdout, /20002/);
    assert.equal((await project.run('deadletter', 'drop', 'crm', '20002')).code, 0);
    assert.equal((await project.run('deadletter', 'drop', 'crm', '20002')).code, 1);
    assert.equal((await project.run('deadletter', 'retry', 'crm')).code, 2);
    await write(`ALTER TABLE tidemark.outbox UPDATE data = '{"seq":20001}' WHERE seq = 20001 SETTINGS mutations_sync = 2`);
    assert.equal((await project.run('deadletter', 'retry', 'crm', '20001')).code, 0);
    await eventually('it arrives', () => receiver.taken().length === 1);
    await eventually('none is dead', async () => (await dead()).length === 0);
    receiver.requests = [];
    const { data } = await project.json('destination', 'replay', 'crm', '--from', '10001', '--to', '10005');
    assert.equal(data.replayed, 5);
    await eventually('they arrive', () => receiver.requests.length === 5);
    assert.equal((await project.fetch('/api/destinations/crm/replay?from=1', { method: 'POST' })).status, 401);
    assert.equal((await project.run('destination', 'replay', 'crn', '--from', '1')).code, 78);
  });

  await t.test('private addresses are refused, and no secret is ever shown', async () => {
    receiver.requests = [];
    await write(rows_of(30_001, 1, 1, ['inside']));
    await eventually('it fails', async () => ((await destination('inside')).last_error?.message ?? '').includes('not allowed'));
    assert.equal(receiver.requests.length, 0);
    const shown = [
      JSON.stringify(await project.status()),
      await (await project.fetch('/api/destinations')).text(),
      await (await project.fetch('/metrics')).text(),
      (await project.run('destination', 'list')).stdout,
      (await project.run('destination', 'list', '--json')).stdout,
      fs.readFileSync(project.log, 'utf8'),
      await project.clickhouse('SELECT * FROM tidemark.deliveries', { account: 'admin' }),
    ].join('\n');
    for (const word of ['swordfish', 'open-sesame', secret, next_secret, secret.slice(6)]) assert.ok(!shown.includes(word), word);
    await project.down();
    await project.assert_nothing_left();
  });

  await t.test('mistakes in a destination are named with place and remedy', async () => {
    const wrong = path.join(directory, 'wrong');
    fs.mkdirSync(path.join(wrong, 'destinations'), { recursive: true });
    fs.writeFileSync(path.join(wrong, 'tidemark.yaml'), 'project: wrong\n');
    fs.writeFileSync(path.join(wrong, 'destinations/a.yaml'), 'destination: a\nwebhook:\n  url: ftp://x\n  secret: whsec_tooshort\n  allow_privat: true\n');
    const { code, stderr } = await run(binary, ['check'], { cwd: wrong });
    assert.equal(code, 78);
    assert.match(stderr, /destinations\/a\.yaml:3:8: `url` is no http or https URL/);
    assert.match(stderr, /destinations\/a\.yaml:4:11: a secret is whsec_/);
    assert.match(stderr, /unknown key `allow_privat` in `webhook` \(did you mean `allow_private`\?\)/);
    assert.doesNotMatch(stderr, /tooshort.*tooshort/s); // the line itself shows it once, as it was written
  });
});
