// Kafka Connect, standalone, with connectors of Debezium for Postgres: one process, offsets in a file of the test.
import fs from 'node:fs';
import path from 'node:path';
import { Child, eventually, free_ports } from './process.mjs';
import { java_arguments, java_arguments_with } from './kafka.mjs';

export class Connect {
  constructor(directory, kafka, { jvm } = {}) {
    this.kafka = kafka;
    this.jvm = jvm;
    this.directory = path.join(directory, 'connect');
    fs.mkdirSync(this.directory, { recursive: true });
    this.log = path.join(this.directory, 'connect.log');
    this.files = [];
    this.environment = {};
  }

  // A connector over `database` of `postgres`; `options` are Debezium's own and come last. For converters: schemas true
  // or false.
  add(name, postgres, database, options = {}, { schemas = false } = {}) {
    const properties = { name, ...Connect.settings(name, postgres, database, { schemas }), ...options };
    this.add_text(name, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join(''));
  }

  static settings(name, postgres, database, { schemas = false } = {}) {
    const converter = Object.fromEntries(
      ['key', 'value'].flatMap((side) => [
        [`${side}.converter`, 'org.apache.kafka.connect.json.JsonConverter'],
        [`${side}.converter.schemas.enable`, schemas],
      ]),
    );
    return {
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'tasks.max': 1,
      'database.hostname': '127.0.0.1',
      'database.port': postgres.port,
      'database.user': 'postgres',
      'database.password': 'unused',
      'database.dbname': database,
      'topic.prefix': name,
      'plugin.name': 'pgoutput',
      'slot.name': `debezium_${name}`,
      'publication.name': `debezium_${name}`,
      'publication.autocreate.mode': 'filtered',
      'poll.interval.ms': 20,
      ...converter,
    };
  }

  // A connector's file as it is, whose name is `name`; ${env:NAME} in it is taken from `environment`.
  add_text(name, text) {
    const file = path.join(this.directory, `${name}.properties`);
    fs.writeFileSync(file, text);
    if (!this.files.includes(file)) this.files.push(file);
  }

  async start() {
    if (!this.port) [this.port] = await free_ports(1);
    const worker = path.join(this.directory, 'worker.properties');
    fs.writeFileSync(
      worker,
      `bootstrap.servers=${this.kafka.brokers}\n` +
        'key.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter=org.apache.kafka.connect.json.JsonConverter\n' +
        `offset.storage.file.filename=${path.join(this.directory, 'offsets')}\noffset.flush.interval.ms=500\n` +
        `listeners=http://127.0.0.1:${this.port}\n` +
        // every plugin here has a manifest; looking through all classes for others takes most of a start
        'plugin.discovery=service_load\n' +
        'config.providers=env\nconfig.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n' +
        // a broker that is killed is back in seconds
        'producer.reconnect.backoff.max.ms=500\nproducer.delivery.timeout.ms=120000\n',
    );
    const command = ['org.apache.kafka.connect.cli.ConnectStandalone', worker, ...this.files];
    this.child = new Child('java', this.jvm ? java_arguments_with(this.jvm, ...command) : java_arguments(...command), { cwd: this.directory, env: this.environment, log: this.log });
    for (const file of this.files) await this.runs(path.basename(file, '.properties'));
  }

  // Another connector, while the worker runs; not there after the next start.
  async begin(name, settings) {
    const answer = await fetch(`http://127.0.0.1:${this.port}/connectors/${name}/config`, {
      method: 'PUT', body: JSON.stringify(Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)]))), headers: { 'Content-Type': 'application/json' }, signal: AbortSignal.timeout(60_000),
    });
    if (!answer.ok) throw new Error(`connector ${name}: ${await answer.text()}`);
    await this.runs(name);
  }

  async runs(name) {
    await eventually(
      `connector ${name} runs`,
      async (seen) => {
        if (!this.child.running) throw Object.assign(new Error(`Connect ended:\n${this.log_tail()}`), { final: true });
        const answer = await fetch(`http://127.0.0.1:${this.port}/connectors/${name}/status`, { signal: AbortSignal.timeout(5_000) });
        const status = await answer.json();
        seen(JSON.stringify(status));
        const task = status.tasks?.[0];
        if (task?.state === 'FAILED') throw Object.assign(new Error(task.trace), { final: true });
        return task?.state === 'RUNNING';
      },
      { deadline_ms: 120_000 },
    );
  }

  log_tail() {
    return fs.existsSync(this.log) ? fs.readFileSync(this.log, 'utf8').slice(-4000) : '';
  }

  async stop(signal = 'SIGTERM') {
    await this.child?.end({ signal, grace_ms: 60_000 });
  }
}
