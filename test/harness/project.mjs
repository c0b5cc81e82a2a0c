// A Tidemark project of a test and the program that runs it: made by `tidemark new`, on free ports, driven as a user
// drives it - verbs, signals, HTTP.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { assert_same_rows, parse_tsv } from './compare.mjs';
import { lsn_number } from './postgres.mjs';
import { Child, binary, children_of, eventually, free_ports, port_taken, processes_in, run } from './process.mjs';

export class Project {
  // pack: a name for `tidemark new`, or null for an empty project that the test fills.
  static async create(directory, { pack = 'adtech', environment = {} } = {}) {
    const project = new Project();
    project.directory = path.join(directory, 'project');
    project.environment = environment;
    if (pack) {
      const result = await run(binary, ['new', pack, project.directory]);
      assert.equal(result.code, 0, `tidemark new: ${result.stderr}`);
    } else {
      fs.mkdirSync(project.directory);
    }
    await project.choose_ports();
    return project;
  }

  async choose_ports() {
    [this.http_port, this.clickhouse_port, this.tcp_port] = await free_ports(3);
    this.write(
      'tidemark.yaml',
      `project: test\nwarehouse:\n  embedded: { path: ./data, http_port: ${this.clickhouse_port}, tcp_port: ${this.tcp_port} }\n` +
        `http: { listen: 127.0.0.1:${this.http_port} }\n`,
    );
  }

  write(file, text) {
    const target = path.join(this.directory, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, text);
  }
  read(file) {
    return fs.readFileSync(path.join(this.directory, file), 'utf8');
  }

  // A verb, run to its end in the project's directory.
  run(...args) {
    return run(binary, args, { cwd: this.directory, env: this.environment, timeout_ms: 300_000 });
  }
  async json(...args) {
    const result = await this.run(...args, '--json');
    try {
      return { ...result, data: JSON.parse(result.stdout) };
    } catch {
      throw new Error(`tidemark ${args.join(' ')} --json printed no JSON (exit ${result.code}): ${result.stdout}${result.stderr}`);
    }
  }

  // Starts `tidemark up` and returns at once.
  launch() {
    this.log = path.join(this.directory, 'up.log');
    this.up_child = new Child(binary, ['up'], { cwd: this.directory, env: this.environment, log: this.log });
    return this.up_child;
  }
  // Starts it and waits until every source streams.
  async up({ deadline_ms = 120_000 } = {}) {
    this.launch();
    await this.ready({ deadline_ms });
  }
  async ready({ deadline_ms = 120_000 } = {}) {
    await eventually(
      'tidemark up is ready',
      async (seen) => {
        if (!this.up_child.running) throw Object.assign(new Error(`tidemark up ended:\n${this.log_tail()}`), { final: true });
        const answer = await this.fetch('/readyz');
        seen(await answer.text());
        if (answer.status !== 200) return false;
        // It looks after its ClickHouse now and then: one that was killed a moment ago is found by asking it.
        return !/embedded:/.test(this.read('tidemark.yaml')) || (await this.clickhouse('SELECT 1')) === '1\n';
      },
      { deadline_ms },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.log_tail()}`);
    });
  }
  log_tail(lines = 30) {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '';
  }
  // SIGTERM drains and exits 0.
  async down() {
    const outcome = await this.up_child.end();
    assert.deepEqual(outcome, { code: 0, signal: null }, `tidemark up must end with 0 after SIGTERM\n${this.log_tail()}`);
  }
  // kill -9 of the ClickHouse there is, if there is one; it is gone when this returns.
  async kill_clickhouse() {
    const pid = this.clickhouse_pid();
    if (!pid) return;
    process.kill(pid, 'SIGKILL');
    await eventually('the killed ClickHouse is gone', () => this.clickhouse_pid() !== pid, { every_ms: 5 });
  }
  clickhouse_pid() {
    return children_of(this.up_child.pid).find((pid) => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('tidemark-clickhouse'));
  }

  fetch(target, options) {
    return fetch(`http://127.0.0.1:${this.http_port}${target}`, { signal: AbortSignal.timeout(10_000), ...options });
  }
  async status() {
    return (await this.fetch('/api/status')).json();
  }

  password(account) {
    return fs.readFileSync(path.join(this.directory, `data/credentials/${account}.password`), 'utf8').trim();
  }
  // ClickHouse's own HTTP port, as curl would use it; default_format as given.
  async clickhouse(query, { account = 'reader', format = 'TabSeparated' } = {}) {
    const url = `http://127.0.0.1:${this.clickhouse_port}/?default_format=${format}&session_timezone=UTC`;
    const answer = await fetch(url, {
      method: 'POST',
      body: query,
      headers: { 'X-ClickHouse-User': account, 'X-ClickHouse-Key': this.password(account) },
      signal: AbortSignal.timeout(120_000),
    });
    const text = await answer.text();
    if (!answer.ok || answer.headers.get('x-clickhouse-exception-code')) throw new Error(`${query}\n${text}`);
    return text;
  }
  // {names, types, rows}
  async table(query) {
    const [names, types, ...rows] = parse_tsv(await this.clickhouse(query, { format: 'TabSeparatedWithNamesAndTypes' }));
    return { names, types, rows };
  }

  // Waits until everything committed in Postgres up to now is in the warehouse with its fence.
  async caught_up(postgres, { deadline_ms = 120_000, database = 'postgres' } = {}) {
    const target = lsn_number(await postgres.position(database));
    await eventually(
      'the warehouse has everything that is committed',
      async (seen) => {
        if (this.up_child && !this.up_child.running) throw Object.assign(new Error('tidemark up ended'), { final: true });
        // Sources that are sent to, and tables that are written to, have positions of their own.
        const sources = (await this.status()).sources.filter(({ source, intake }) => !intake && !source.includes('.'));
        seen(JSON.stringify(sources));
        return sources.length > 0 && sources.every((source) => source.state === 'streaming' && lsn_number(source.ladder.fenced) >= target);
      },
      { deadline_ms },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.log_tail()}`);
    });
  }

  // ClickHouse's answer to `query` is Postgres's answer to `expected`.
  async assert_equal(what, postgres, database, expected, query) {
    const [wanted, { types, rows }] = await Promise.all([postgres.rows(database, expected), this.table(query)]);
    assert_same_rows(what, wanted, rows, types);
    return rows.length;
  }

  // `tidemark verify` finds no difference anywhere.
  async assert_verified() {
    const { code, data, stderr } = await this.json('verify');
    const wrong = [...data.tables.filter((table) => table.missing || table.extra || table.different), ...data.models.filter((model) => model.different)];
    assert.deepEqual(wrong, [], `verify found differences\n${stderr}`);
    assert.equal(data.ok, true, JSON.stringify(data));
    assert.equal(code, 0);
    return data;
  }

  // Nothing of ours is left: no process that mentions the project, no port that answers.
  async assert_nothing_left() {
    await eventually('no process of the project is left', (seen) => {
      const left = processes_in(this.directory);
      seen(left);
      return left.length === 0;
    }, { deadline_ms: 30_000 });
    // A process that was killed may be a zombie while its last threads still hold its sockets.
    for (const port of [this.http_port, this.clickhouse_port, this.tcp_port])
      await eventually(`nothing answers on port ${port}`, async () => !(await port_taken(port)), { deadline_ms: 15_000 });
  }
}
