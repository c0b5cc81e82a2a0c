// A private Postgres cluster for one test: on a free port of loopback, in the test's own directory, with wal_level
// logical, run as user postgres because it refuses root. psql is the client: what it says is what a user would see.
import fs from 'node:fs';
import path from 'node:path';
import { Child, eventually, free_ports, processes_in, run, run_now } from './process.mjs';

const as_postgres = process.getuid() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : [];

function bin(program) {
  const versions = fs.readdirSync('/usr/lib/postgresql').sort((left, right) => Number(right) - Number(left));
  return path.join('/usr/lib/postgresql', versions[0], 'bin', program);
}

// Itself, not Debian's wrapper of the same name, whose Perl costs eight times as much as a short question.
export const psql = bin('psql');

export class Postgres {
  static async start(directory, settings = {}) {
    const cluster = new Postgres();
    cluster.directory = path.join(directory, 'postgres');
    fs.mkdirSync(cluster.directory, { recursive: true });
    if (as_postgres.length) run_now('chown', ['postgres', cluster.directory]);
    const initdb = [...as_postgres, bin('initdb'), '-D', path.join(cluster.directory, 'data'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    run_now(initdb[0], initdb.slice(1), { cwd: cluster.directory });
    // passwords are checked over TCP for everybody but the superuser of the test
    fs.writeFileSync(
      path.join(cluster.directory, 'data/pg_hba.conf'),
      'host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\n' +
        'host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n',
    );
    cluster.settings = { wal_level: 'logical', max_replication_slots: 20, max_wal_senders: 20, fsync: 'off', shared_buffers: '128MB', max_wal_size: '4GB', ...settings };
    [cluster.port] = await free_ports(1);
    await cluster.up();
    return cluster;
  }

  // A hot standby that follows this one, beside it. The caller stops it.
  async standby(name = 'standby') {
    const standby = new Postgres();
    standby.directory = path.join(path.dirname(this.directory), name);
    fs.mkdirSync(standby.directory);
    if (as_postgres.length) run_now('chown', ['postgres', standby.directory]);
    const backup = [...as_postgres, bin('pg_basebackup'), '-D', path.join(standby.directory, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync', '-d', this.url('postgres')];
    run_now(backup[0], backup.slice(1), { cwd: standby.directory });
    standby.settings = this.settings;
    [standby.port] = await free_ports(1);
    await standby.up();
    return standby;
  }

  // What is committed here by now is there.
  async followed_by(standby) {
    const position = await this.position();
    await eventually('the standby has followed', async () => (await standby.sql('postgres', `SELECT pg_last_wal_replay_lsn() >= '${position}'`)) === 't');
  }

  async up() {
    const options = { port: this.port, listen_addresses: '127.0.0.1', unix_socket_directories: '', ...this.settings };
    const command = [...as_postgres, bin('postgres'), '-D', path.join(this.directory, 'data'), ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    this.child = new Child(command[0], command.slice(1), { cwd: this.directory });
    await eventually('Postgres answers', async () => {
      if (!this.child.running) throw Object.assign(new Error(`Postgres ended: ${this.child.stderr}`), { final: true });
      return (await run(psql, ['-XAtq', '-d', this.url('postgres'), '-c', 'SELECT 1'])).code === 0;
    });
  }

  // SIGINT is Postgres's fast shutdown.
  async stop(signal = 'SIGINT') {
    await this.child?.end({ signal });
  }

  // All its processes at once, as when a machine loses them; then it starts and recovers from its log.
  async crash(signal = 'SIGKILL') {
    if (signal === 'SIGKILL') {
      for (const { pid } of processes_in(this.directory)) {
        try {
          process.kill(pid, signal);
        } catch {
          // ended by itself
        }
      }
      await this.child.ended;
    } else {
      await this.stop(signal);
    }
    await eventually('no process of Postgres is left', () => processes_in(this.directory).length === 0, { deadline_ms: 20_000, every_ms: 10 });
    await this.up();
  }

  url(database, user = 'postgres', password = '') {
    return `postgresql://${user}${password ? `:${password}` : ''}@127.0.0.1:${this.port}/${database}`;
  }

  // Runs statements, returns psql's output: unaligned, tab-separated, no headers.
  async sql(database, text) {
    const result = await run(psql, ['-XAtq', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', this.url(database), '-f', '-'], { input: text, timeout_ms: 300_000, env: { PGTZ: 'UTC', PGOPTIONS: '-c intervalstyle=iso_8601' } });
    if (result.code !== 0) throw new Error(`${result.stderr}\nin: ${text.slice(0, 500)}`);
    return result.stdout.replace(/\n$/, '');
  }

  // A query's rows as COPY text: arrays of strings, null for NULL.
  async rows(database, query) {
    const { parse_tsv } = await import('./compare.mjs');
    return parse_tsv(await this.sql(database, `COPY (${query}) TO STDOUT;`));
  }

  // Several queries' rows, in one session after `statements` (temporary tables, for example): computed once, used by all.
  async rows_of(database, statements, queries) {
    const { parse_tsv } = await import('./compare.mjs');
    const mark = `--- ${Math.random()} ---`;
    const copies = queries.map((query) => `\\echo '${mark}'\nCOPY (${query}\n) TO STDOUT;`);
    const answer = await this.sql(database, `SET client_min_messages = error;\n${statements}\n${copies.join('\n')}\n`);
    return `${answer}\n`.split(`${mark}\n`).slice(1).map(parse_tsv);
  }

  async create_database(name) {
    await this.sql('postgres', `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  // The end of what has been committed.
  async position(database = 'postgres') {
    return this.sql(database, 'SELECT pg_current_wal_lsn()');
  }
}

export function lsn_number(text) {
  const [high, low] = text.split('/').map((half) => BigInt(`0x${half}`));
  return (high << 32n) | low;
}
