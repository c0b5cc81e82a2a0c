// deploy/ without Docker and without systemd running: files parse, names in them exist, the program knows every flag and every
// setting, projects pass `tidemark check` with the environment they would get, units pass systemd-analyze where there is one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { binary, make_directory, remove_directory, root, run } from '../harness/process.mjs';

const deploy = path.join(root, 'deploy');
const read = (file) => fs.readFileSync(path.join(deploy, file), 'utf8');
const units = fs.readdirSync(path.join(deploy, 'systemd'));

// Debian's python3-yaml: anchors and merges become what Compose makes of them.
const parsed = await run('/usr/bin/python3', ['-c', 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))'], { input: read('compose.yaml') });
assert.equal(parsed.code, 0, parsed.stderr);
const compose = JSON.parse(parsed.stdout);
const services = Object.entries(compose.services);
const command_line = (service) => [service.command].flat().join(' ');
const commands = (text) => [...text.matchAll(/(?:^|[\s/&=])tidemark (up[^"\n;&|]*)/g)].map((match) => match[1].trim().split(/\s+/));
const example = Object.fromEntries(read('environment.example').split('\n').filter((line) => /^[A-Z]/.test(line)).map((line) => line.split('=')));
const filled = (text) => String(text).replace(/\$\{([A-Z_]+)[^}]*\}/g, (_, name) => example[name]);

test('compose.yaml names only what there is', () => {
  assert.ok(services.length >= 7, 'Postgres, Kafka, Keeper, two ClickHouse servers, a capture and two sinks');
  for (const [name, service] of services) {
    assert.ok(service.image || service.build, name);
    for (const other of Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {})) assert.ok(compose.services[other], `${name} depends on ${other}`);
    for (const [other, { condition }] of Array.isArray(service.depends_on) ? [] : Object.entries(service.depends_on ?? {}))
      if (condition === 'service_healthy') assert.ok(compose.services[other].healthcheck, `${other} has no health check, which ${name} waits for`);
    for (const volume of service.volumes ?? []) {
      const [from] = volume.split(':');
      if (from.startsWith('.')) assert.ok(fs.existsSync(path.join(deploy, from)), `${name}: no ${from}`);
      else assert.ok(from in compose.volumes, `${name}: no volume ${from}`);
    }
    if (service.build) assert.ok(fs.existsSync(path.join(deploy, service.build.context, service.build.dockerfile)));
  }
  for (const [, name] of read('compose.yaml').matchAll(/(?<!\$)\$\{([A-Z_]+)/g)) assert.ok(name in example, `environment.example lacks ${name}`);
  const prefixes = ['Service', 'Unit', 'Install'];
  for (const unit of units) for (const [, section] of read(`systemd/${unit}`).matchAll(/^\[(\w+)\]$/gm)) assert.ok(prefixes.includes(section), `${unit}: [${section}]`);
});

test('ports are published to this machine only', () => {
  for (const [name, service] of services) for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
});

test('every command line of the program is one it takes', async () => {
  const found = [...services.map(([name, service]) => [name, command_line(service)]), ...units.map((unit) => [unit, read(`systemd/${unit}`)])].flatMap(([where, text]) => commands(text).map((line) => [where, line]));
  assert.deepEqual(found.map(([where]) => where).sort(), ['capture', 'sink-1', 'sink-2', ...units].sort());
  // 78: the flags are fine, the project is not there. 2: usage.
  const exit_of = async (line) => (await run(binary, line.map((word) => (word.startsWith('/') ? '/nonexistent' : word)))).code;
  for (const [where, line] of found) assert.equal(await exit_of(line), 78, `${where}: tidemark ${line.join(' ')}`);
  assert.equal(await exit_of(['up', '--role', 'nobody', '--project', '/nonexistent']), 2);
});

for (const [service, folder] of [['capture', 'capture'], ['sink-1', 'sink']]) {
  test(`the project of ${service} passes check in its environment`, async (t) => {
    const directory = make_directory('deploy-files');
    t.after(() => remove_directory(directory));
    fs.cpSync(path.join(deploy, folder), directory, { recursive: true });
    const { volumes, environment } = compose.services[service];
    assert.ok(volumes.some((volume) => volume.startsWith(`./${folder}:`)));
    const checked = await run(binary, ['check'], { cwd: directory, env: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filled(value)])) });
    assert.equal(checked.code, 0, `${checked.stdout}${checked.stderr}`);
    fs.appendFileSync(path.join(directory, 'tidemark.yaml'), 'nothing: 1\n');
    assert.equal((await run(binary, ['check'], { cwd: directory })).code, 78, 'a setting that does not exist is found');
  });
}

test('the files of ClickHouse are XML, and the cluster has the shards of the project', async () => {
  for (const file of fs.readdirSync(path.join(deploy, 'clickhouse'))) {
    const answer = await run('/usr/bin/python3', ['-c', 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin)'], { input: read(`clickhouse/${file}`) });
    assert.equal(answer.code, 0, `${file}: ${answer.stderr}`);
  }
  const hosts = [...read('clickhouse/cluster.xml').matchAll(/<replica><host>([^<]+)<\/host>/g)].map((match) => match[1]);
  assert.deepEqual(hosts, ['clickhouse-1', 'clickhouse-2']);
  const environment = compose.services['sink-1'].environment;
  assert.deepEqual(hosts.map((host) => `http://${host}:8123`), [environment.CLICKHOUSE_SHARD_1, environment.CLICKHOUSE_SHARD_2]);
  for (const host of hosts) assert.ok(compose.services[host], host);
});

test('units: hardened, with enough files, and time to drain', async (t) => {
  const drain_ms = Number(/drain_deadline\{([\d']+)\}/.exec(fs.readFileSync(path.join(root, 'src/base/limits.h'), 'utf8'))[1].replaceAll("'", ''));
  const has = (unit, line) => assert.ok(read(`systemd/${unit}`).split('\n').includes(line), `${unit} lacks ${line}`);
  for (const unit of units) {
    for (const line of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'Restart=on-failure', 'KillSignal=SIGTERM', 'KillMode=mixed', 'User=tidemark']) has(unit, line);
    const number = (name) => Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(read(`systemd/${unit}`))[1]);
    assert.ok(number('TimeoutStopSec') * 1000 >= 3 * drain_ms, `${unit}: TimeoutStopSec against ${drain_ms} ms of draining`);
    assert.ok(number('LimitNOFILE') >= 65_536);
    for (const [, text] of read(`systemd/${unit}`).matchAll(/\$\{env:|PAGE_LISTEN|(\$\w+)/g)) assert.ok(text === undefined || text === '$MAINPID', `${unit}: ${text}`);
  }
  for (const [name, service] of services) if (service.build) assert.ok(parseInt(service.stop_grace_period, 10) * 1000 >= 2 * drain_ms, `${name}: stop_grace_period`);
  if ((await run('sh', ['-c', 'command -v systemd-analyze'])).code !== 0) return t.diagnostic('no systemd-analyze here');
  const directory = make_directory('units');
  t.after(() => remove_directory(directory));
  const copy = (unit, change) => {
    const file = path.join(directory, unit);
    fs.writeFileSync(file, change(read(`systemd/${unit}`).replaceAll('/usr/local/bin/tidemark', binary)));
    return file;
  };
  const verify = async (files) => {
    const answer = await run('systemd-analyze', ['verify', '--man=no', ...files]);
    // It also speaks of units of the machine that these order themselves after.
    return `${answer.stdout}${answer.stderr}`.split('\n').filter((line) => line.includes('tidemark')).join('\n');
  };
  assert.equal(await verify(units.map((unit) => copy(unit, (text) => text))), '');
  assert.match(await verify([copy(units[0], (text) => text.replace('LimitNOFILE=', 'LimitNOFILES='))]), /LimitNOFILES/);
});
