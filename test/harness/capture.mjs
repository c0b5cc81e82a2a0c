// `tidemark up --role capture` of a test: Postgres to Kafka.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { lsn_number } from './postgres.mjs';
import { binary, Child, eventually, run } from './process.mjs';

// A project of the capture role: tidemark.yaml and one source.
export class Capture {
  constructor(world, { prefix = 'own', tables, output = '' }) {
    Object.assign(this, world, { prefix });
    this.project = path.join(world.directory, `capture_${prefix}`);
    fs.mkdirSync(path.join(this.project, 'sources'), { recursive: true });
    fs.writeFileSync(path.join(this.project, 'tidemark.yaml'), `project: shop\nkafka: { brokers: "${this.kafka.brokers}", prefix: ${prefix}${output} }\n`);
    fs.writeFileSync(
      path.join(this.project, 'sources/shop.yaml'),
      `source: ${prefix}\npostgres:\n  url: ${this.postgres.url('shop')}\n  tables: [${tables.join(', ')}]\n`,
    );
    this.log = path.join(this.project, 'up.log');
  }
  launch(...options) {
    this.child = new Child(binary, ['up', '--role', 'capture', ...options], { cwd: this.project, log: this.log });
    return this.child;
  }
  log_tail() {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8').split('\n').slice(-30).join('\n') : '';
  }
  // What Kafka itself says. kcat only ends when no transaction is open, which may be never while cuts come one after
  // the other: what it has printed by then is committed, and will do.
  async position() {
    const topic = `${this.prefix}.tidemark_positions.${this.prefix}`;
    const { code, stdout, stderr } = await run('timeout', ['3', 'kcat', '-b', this.kafka.brokers, '-C', '-t', topic, '-e', '-q', '-J', '-u']);
    assert.ok(code === 0 || code === 124, stderr);
    const lines = stdout.split('\n').slice(0, -1);
    return lines.length ? JSON.parse(JSON.parse(lines.at(-1)).payload) : null;
  }
  async caught_up() {
    // A commit's own place, for there is always something behind it in the log.
    await this.postgres.sql('shop', "SELECT pg_logical_emit_message(true, 'tidemark', 'fence')");
    const target = lsn_number(await this.postgres.position('shop'));
    await eventually(
      `${this.prefix} is published up to ${target}`,
      async (seen) => {
        if (!this.child.running) throw Object.assign(new Error(`capture ended:\n${this.log_tail()}`), { final: true });
        const position = await this.position();
        seen(position);
        return position?.copied && BigInt(position.end_lsn) >= target;
      },
      { deadline_ms: 120_000, every_ms: 200 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.log_tail()}`);
    });
  }
  async stop() {
    assert.deepEqual(await this.child.end(), { code: 0, signal: null }, this.log_tail());
  }
}
