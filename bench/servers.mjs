// The two servers of a benchmark run, private and on free ports: a Postgres with the same settings for every
// contestant, durable as shipped, and one ClickHouse (the embedded one, tidemark-clickhouse) that all contestants
// write to. Both live under build/bench and are ended by close(), also when the run fails or is interrupted.
import { spawn, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';

export const root = path.resolve(import.meta.dirname, '..');
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function free_port() {
  const server = net.createServer();
  await new Promise((resolve, reject) => server.listen(0, '127.0.0.1', resolve).on('error', reject));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Waits until `condition` gives something truthy; `what` names it in the error. Polls every `every_ms`.
export async function until(what, condition, { deadline_s = Number(process.env.BENCH_DEADLINE_S ?? 600), every_ms = 20 } = {}) {
  const deadline = performance.now() + deadline_s * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`gave up after ${deadline_s} s waiting for ${what}`);
    await sleep(every_ms);
  }
}

export function ended(child) {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', (code) => resolve(code));
  });
}

export async function end(child, signal = 'SIGTERM', grace_ms = 15_000) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), grace_ms);
  const code = await ended(child);
  clearTimeout(timer);
  return code;
}

// CPU seconds so far and the greatest resident size so far of a living process, from /proc.
export function usage(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpu_s: (Number(fields[11]) + Number(fields[12])) / 100,
    peak_mb: Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024,
  };
}

// One psql session fed through a pipe: a statement costs a round trip, not a process.
export class Session {
  constructor(url) {
    this.child = spawn('psql', ['-X', '-q', '-A', '-t', '-F', '\t', '-d', url], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.waiting = [];
    this.lines = [];
    this.count = 0;
    this.errors = '';
    this.child.stderr.on('data', (text) => (this.errors += text));
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (line !== this.waiting[0]?.mark) return void this.lines.push(line);
      const { resolve, reject, sql } = this.waiting.shift();
      const { lines, errors } = this;
      this.lines = [];
      this.errors = '';
      if (/ERROR|FATAL/.test(errors)) reject(new Error(`${errors.trim()}\nin: ${sql.slice(0, 300)}`));
      else resolve(lines);
    });
    this.child.once('exit', () => {
      for (const { reject } of this.waiting) reject(new Error(`psql ended: ${this.errors}`));
      this.waiting = [];
    });
  }
  // The result's rows, tab-separated columns.
  run(sql) {
    return new Promise((resolve, reject) => {
      const mark = `-- end ${++this.count}`;
      this.waiting.push({ mark, resolve, reject, sql });
      // stderr and stdout are two pipes: the mark goes to both in order, so errors precede it as seen by the server.
      this.child.stdin.write(`${sql};\n\\echo '${mark}'\n`);
    });
  }
  async value(sql) {
    return (await this.run(sql))[0];
  }
  async close() {
    this.child.stdin.end('\\q\n');
    await ended(this.child);
  }
}

export class Postgres {
  // Everything not listed is as shipped: fsync, full_page_writes and synchronous_commit are on.
  static settings = {
    wal_level: 'logical',
    shared_buffers: '1GB',
    max_wal_size: '20GB',
    checkpoint_timeout: '1h',
    max_replication_slots: 40,
    max_wal_senders: 40,
    log_replication_commands: 'on',
    autovacuum: 'off',
    wal_sender_timeout: 0,  // a contestant that is not served for a minute has still not failed
  };

  static async start(directory) {
    const postgres = new Postgres();
    postgres.directory = directory;
    postgres.bin = execFileSync('bash', ['-c', 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1']).toString().trim();
    // initdb and postgres refuse to run as root.
    postgres.as = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];
    fs.mkdirSync(directory, { recursive: true });
    if (postgres.as.length) execFileSync('chown', ['postgres:postgres', directory]);
    postgres.port = await free_port();
    postgres.exec([`${postgres.bin}/initdb`, '-D', `${directory}/data`, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8']);
    const options = Object.entries({
      ...Postgres.settings,
      port: postgres.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: directory,
    }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    postgres.log = `${directory}/postgres.log`;
    const command = [...postgres.as, `${postgres.bin}/postgres`, '-D', `${directory}/data`, ...options];
    const log = fs.openSync(postgres.log, 'a');
    postgres.child = spawn(command[0], command.slice(1), { stdio: ['ignore', log, log], cwd: '/' });
    fs.closeSync(log);
    postgres.url = `postgresql://postgres@127.0.0.1:${postgres.port}/postgres`;
    await until('Postgres', () => {
      if (postgres.child.exitCode !== null) throw new Error(`Postgres did not start: ${fs.readFileSync(postgres.log)}`);
      try {
        execFileSync(`${postgres.bin}/pg_isready`, ['-q', '-h', '127.0.0.1', '-p', String(postgres.port)]);
        return true;
      } catch {
        return false;
      }
    }, { deadline_s: 30, every_ms: 100 });
    postgres.session = new Session(postgres.url);
    postgres.version = await postgres.session.value('SHOW server_version');
    return postgres;
  }
  exec(command) {
    const full = [...this.as, ...command];
    return execFileSync(full[0], full.slice(1), { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  }
  run(sql) { return this.session.run(sql); }
  value(sql) { return this.session.value(sql); }
  async drop_slot(name) {
    await until(`slot ${name} to be free`, async () =>
      (await this.value(`SELECT count(*) FROM pg_replication_slots WHERE slot_name = '${name}' AND active`)) === '0');
    await this.run(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '${name}'`);
  }
  async close() {
    await this.session?.close().catch(() => {});
    if (this.child) await end(this.child, 'SIGINT');  // fast shutdown: ends sessions itself
  }
}

export class Warehouse {
  static password = 'bench';  // loopback only, gone with the run

  static async start(directory, { program, library }) {
    const warehouse = new Warehouse();
    warehouse.directory = directory;
    fs.mkdirSync(directory, { recursive: true });
    warehouse.port = await free_port();
    const tcp_port = await free_port();
    fs.writeFileSync(`${directory}/users.xml`, `<clickhouse>
  <profiles><default><function_sleep_max_microseconds_per_block>4294967295</function_sleep_max_microseconds_per_block></default></profiles>
  <users>
    <default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants></default>
    <bench><password>${Warehouse.password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
      <quota>default</quota><access_management>1</access_management></bench>
  </users>
  <quotas><default/></quotas>
</clickhouse>\n`);
    fs.writeFileSync(`${directory}/config.xml`, `<clickhouse>
  <path>${directory}/data/</path><tmp_path>${directory}/tmp/</tmp_path>
  <users_config>${directory}/users.xml</users_config>
  <listen_host>127.0.0.1</listen_host><http_port>${warehouse.port}</http_port><tcp_port>${tcp_port}</tcp_port>
  <!-- How the embedded server takes away outdated parts (src/clickhouse/embedded_config.cc), for all contestants. -->
  <merge_tree><cleanup_delay_period>1</cleanup_delay_period><cleanup_delay_period_random_add>0</cleanup_delay_period_random_add>
    <concurrent_part_removal_threshold>100000</concurrent_part_removal_threshold></merge_tree>
  <logger><level>warning</level><log>${directory}/server.log</log><errorlog>${directory}/error.log</errorlog><size>20M</size><count>2</count></logger>
</clickhouse>\n`);
    const log = fs.openSync(`${directory}/output.log`, 'a');
    warehouse.child = spawn(program, ['--library', library, '--config', `${directory}/config.xml`], { stdio: ['ignore', log, log], cwd: directory });
    fs.closeSync(log);
    warehouse.agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    warehouse.url = `http://127.0.0.1:${warehouse.port}`;
    await until('ClickHouse', async () => {
      if (warehouse.child.exitCode !== null) throw new Error(`ClickHouse did not start: ${fs.readFileSync(`${directory}/output.log`)}`);
      return warehouse.query('SELECT 1').catch(() => null);
    }, { deadline_s: 60, every_ms: 50 });
    warehouse.version = await warehouse.query('SELECT version()');
    return warehouse;
  }
  // The answer's text, without the last newline. `settings` are query settings.
  query(sql, settings = {}) {
    const parameters = new URLSearchParams({ wait_end_of_query: '1', ...settings });
    return new Promise((resolve, reject) => {
      const request = http.request(`${this.url}/?${parameters}`, {
        method: 'POST', agent: this.agent,
        headers: { 'X-ClickHouse-User': 'bench', 'X-ClickHouse-Key': Warehouse.password, 'Content-Length': Buffer.byteLength(sql) },
      }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          if (response.statusCode === 200) resolve(text.replace(/\n$/, ''));
          else reject(new Error(`ClickHouse: ${text.slice(0, 500)}\nin: ${sql.slice(0, 300)}`));
        });
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(sql);
    });
  }
  // The answer, or `otherwise` while the table does not exist yet.
  async query_or(otherwise, sql, settings) {
    try {
      return await this.query(sql, settings);
    } catch (error) {
      if (/UNKNOWN_(TABLE|DATABASE)/.test(error.message)) return otherwise;
      throw error;
    }
  }
  usage() { return usage(this.child.pid); }
  // Its connections go, too: idle ones would be closed by the server the moment it goes on.
  pause() {
    this.agent.destroy();
    this.child.kill('SIGSTOP');
  }
  resume() { this.child.kill('SIGCONT'); }
  async close() {
    this.agent.destroy();
    this.resume();
    await end(this.child);
  }
}
