// Processes that share the slots of one Kafka source, of a test: each is a project in a directory of its own.
import fs from 'node:fs';
import path from 'node:path';
import { eventually } from './process.mjs';
import { Project } from './project.mjs';

export class Sink extends Project {
  // `warehouse`: the setting of tidemark.yaml; `source`: lines below `kafka:`; `models`: name -> SQL, in analytics.
  static async create(world, name, { warehouse, source, models }) {
    const directory = path.join(world.directory, name);
    fs.mkdirSync(directory);
    const sink = Object.setPrototypeOf(await Project.create(directory, { pack: null }), Sink.prototype);
    sink.name = name;
    sink.began = 0;
    sink.write('tidemark.yaml', `project: test\n${warehouse}http: { listen: 127.0.0.1:${sink.http_port} }\n`);
    sink.write('sources/sink.yaml', `source: sink\nkafka:\n  brokers: "${world.kafka.brokers}"\n${source}`);
    for (const [model, text] of Object.entries(models)) sink.write(`models/analytics/${model}.sql`, text);
    return sink;
  }

  log_text() {
    const file = path.join(this.directory, 'up.log');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }
  launch() {
    this.began = this.log_text().length;
    return super.launch();
  }
  // Has it been given slots since it was launched (or since the mark was set)?
  works() {
    if (!this.up_child.running) throw Object.assign(new Error(`${this.name} ended\n${this.log_tail()}`), { final: true });
    return /source sink#\d+: reading/.test(this.log_text().slice(this.began));
  }
  working() {
    return eventually(`${this.name} works on slots`, () => this.works(), { deadline_ms: 90_000 }).catch((error) => {
      throw new Error(`${error.message}\n${this.log_tail()}`);
    });
  }
}
