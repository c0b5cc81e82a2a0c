// Tidemark as a contestant: a project that mirrors one table into the run's ClickHouse, started with `tidemark up` as a
// user would. It has no models, as the other contestants have none.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { Warehouse, end, ended, free_port, until, usage } from './servers.mjs';

// A run that fails leaves none of them behind.
const living = new Set();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export class Tidemark {
  constructor({ program, directory, postgres, warehouse, name, tables }) {
    Object.assign(this, { program, directory, postgres, warehouse, name, tables });
    this.slot = `tidemark_${name}`;
    this.arguments = ['up'];
  }
  async write_project() {
    fs.mkdirSync(`${this.directory}/sources`, { recursive: true });
    this.http_port = await free_port();
    fs.writeFileSync(`${this.directory}/tidemark.yaml`, `project: ${this.name}
warehouse:
  url: ${this.warehouse.url}
  user: bench
  password: \${env:BENCH_PASSWORD}
http: { listen: "127.0.0.1:${this.http_port}" }
`);
    fs.writeFileSync(`${this.directory}/sources/${this.name}.yaml`, `source: ${this.name}
postgres:
  url: ${this.postgres.url}
  mode: cdc
  tables: [${this.tables.join(', ')}]
`);
  }
  // Starts `tidemark up`; the returned promise resolves at once, end conditions are the caller's.
  start() {
    const log = fs.openSync(`${this.directory}/log`, 'a');
    this.child = spawn(this.program, [...this.arguments, '--project', this.directory], {
      stdio: ['ignore', log, log],
      env: { ...process.env, BENCH_PASSWORD: Warehouse.password },
    });
    fs.closeSync(log);
    this.failed = null;
    const { child } = this;
    living.add(child);
    ended(child).then((code) => {
      living.delete(child);
      if (!this.stopping) this.failed = `tidemark ended by itself with ${code}:\n${this.log_end()}`;
    });
    this.stopping = false;
  }
  log_end() {
    return fs.readFileSync(`${this.directory}/log`, 'utf8').split('\n').slice(-15).join('\n');
  }
  // Throws when the process is gone, so that waiting for its effect ends with the reason.
  check() {
    if (this.failed) throw new Error(this.failed);
  }
  async until_streaming() {
    await until('tidemark to stream', async () => {
      this.check();
      const active = await this.postgres.value(`SELECT active FROM pg_replication_slots WHERE slot_name = '${this.slot}'`);
      if (active !== 't') return false;
      const response = await fetch(`http://127.0.0.1:${this.http_port}/readyz`).catch(() => null);
      return response?.status === 200;
    }, { deadline_s: 120 });
  }
  usage() { return usage(this.child.pid); }
  async stop() {
    if (!this.child) return;
    this.stopping = true;
    const code = await end(this.child, 'SIGTERM', 30_000);
    if (code !== 0) throw new Error(`tidemark ended with ${code} after SIGTERM:\n${this.log_end()}`);
  }
  // Back to nothing: slot, publication, and what it made in the warehouse.
  async forget() {
    await this.postgres.drop_slot(this.slot);
    await this.postgres.run(`DROP PUBLICATION IF EXISTS ${this.slot}`);
    await this.warehouse.query('DROP DATABASE IF EXISTS bronze SYNC');
    await this.warehouse.query('DROP DATABASE IF EXISTS tidemark SYNC');
  }
  // The replication options of its last START_REPLICATION, from the server's log: what pg_recvlogical must be given to
  // be compared fairly. Null when it never streamed.
  replication_options() {
    const log = fs.readFileSync(this.postgres.log, 'utf8');
    const found = [...log.matchAll(new RegExp(`START_REPLICATION SLOT "?${this.slot}"? LOGICAL [^(]*\\(([^\\n]*)\\)`, 'g'))].at(-1);
    if (!found) return null;
    const option = (name) => new RegExp(`"?${name}"?\\s+'([^']*)'`).exec(found[1])?.[1];
    const yes = (value) => ['true', 'on', '1'].includes(value);
    return { proto_version: Number(option('proto_version')), binary: yes(option('binary')), streaming: yes(option('streaming')) };
  }
}
