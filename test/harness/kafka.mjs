// A private Apache Kafka for one test: one node that is broker and controller (KRaft), on free ports of loopback, its
// data in the test's own directory, ended by pid. kcat is the independent client.
import fs from 'node:fs';
import path from 'node:path';
import { Child, eventually, free_ports, root, run } from './process.mjs';

const jars = path.join(root, '.cache/kafka');
const settings = path.join(root, 'test/services/kafka');
// A test's broker holds little; the defaults (1 GB) are for machines of its own.
const memory = ['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

export function java_arguments(main, ...args) {
  return java_arguments_with(memory, main, ...args);
}

// `jvm`: what the virtual machine is told about memory and its compilers.
export function java_arguments_with(jvm, main, ...args) {
  if (!fs.existsSync(jars)) throw new Error(`no ${jars}: scripts/setup fetches Kafka`);
  return [...jvm, `-Dlog4j.configuration=file:${settings}/log4j.properties`, '-cp', `${jars}/*`, main, ...args];
}

export class Kafka {
  static async start(directory, options = {}, { jvm = memory } = {}) {
    const kafka = new Kafka();
    kafka.jvm = jvm;
    kafka.directory = path.join(directory, 'kafka');
    fs.mkdirSync(kafka.directory, { recursive: true });
    [kafka.port, kafka.controller_port] = await free_ports(2);
    kafka.log = path.join(kafka.directory, 'kafka.log');
    const properties = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${kafka.controller_port}`,
      listeners: `PLAINTEXT://127.0.0.1:${kafka.port},CONTROLLER://127.0.0.1:${kafka.controller_port}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${kafka.port}`,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'log.dirs': path.join(kafka.directory, 'data'),
      'offsets.topic.replication.factor': 1,
      'offsets.topic.num.partitions': 1,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.num.partitions': 1,
      'transaction.state.log.min.isr': 1,
      'group.initial.rebalance.delay.ms': 0,
      'num.partitions': 1,
      'auto.create.topics.enable': true,
      // After kill -9 the one replica is all there is: it must come back with what it acknowledged.
      'log.flush.interval.messages': 1,
      ...options,
    };
    kafka.properties = path.join(kafka.directory, 'server.properties');
    fs.writeFileSync(kafka.properties, Object.entries(properties).map(([name, value]) => `${name}=${value}\n`).join(''));
    // The node's identity, as kafka-storage.sh format leaves it; without starting a JVM only for that.
    const data = path.join(kafka.directory, 'data');
    fs.mkdirSync(data);
    const formatted = await run('java', java_arguments('kafka.tools.StorageTool', 'format', '-t', 'dGlkZW1hcmstdGVzdC0wMQ', '-c', kafka.properties));
    if (formatted.code !== 0) throw new Error(`kafka storage format: ${formatted.stdout}${formatted.stderr}`);
    await kafka.up();
    return kafka;
  }

  get brokers() {
    return `127.0.0.1:${this.port}`;
  }

  async up() {
    this.child = new Child('java', java_arguments_with(this.jvm, 'kafka.Kafka', this.properties), { cwd: this.directory, log: this.log });
    await eventually('Kafka answers', async () => {
      if (!this.child.running) throw Object.assign(new Error(`Kafka ended:\n${fs.readFileSync(this.log, 'utf8').slice(-4000)}`), { final: true });
      return (await run('kcat', ['-b', this.brokers, '-L', '-m', '2'])).code === 0;
    });
  }

  async stop(signal = 'SIGTERM') {
    await this.child?.end({ signal });
  }

  async kcat(args, input) {
    const result = await run('kcat', ['-b', this.brokers, ...args], { input });
    if (result.code !== 0) throw new Error(`kcat ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  async create_topic(topic, partitions = 1, settings = {}) {
    const configuration = Object.entries(settings).flatMap(([name, value]) => ['--config', `${name}=${value}`]);
    await this.tool('org.apache.kafka.tools.TopicCommand', '--create', '--topic', topic, '--partitions', String(partitions), '--replication-factor', '1', ...configuration);
  }

  // Topics with the broker's defaults, made by asking for them: without a JVM.
  async ask_for_topics(...topics) {
    for (const topic of topics)
      await eventually(`topic ${topic}`, async (seen) => {
        const answer = await this.kcat(['-L', '-J', '-t', topic, '-X', 'allow.auto.create.topics=true']);
        seen(answer);
        return JSON.parse(answer).topics[0].partitions.length > 0;
      });
  }

  // One of Kafka's own command line programs.
  async tool(main, ...args) {
    const result = await run('java', java_arguments(main, '--bootstrap-server', this.brokers, ...args));
    if (result.code !== 0) throw new Error(`${main} ${args.join(' ')}: ${result.stdout}${result.stderr}`);
    return result.stdout;
  }

  // Values as they are, one a message; {key, value} objects with key; value null: a tombstone.
  async produce(topic, messages, { partition } = {}) {
    const to = ['-P', '-t', topic, ...(partition === undefined ? [] : ['-p', String(partition)])];
    const plain = messages.filter((message) => typeof message === 'string');
    const keyed = messages.filter((message) => typeof message !== 'string');
    if (plain.length) await this.kcat(to, `${plain.join('\n')}\n`);
    // kcat's -Z sends an empty value as null
    if (keyed.length) await this.kcat([...to, '-K', '\x01', '-Z'], keyed.map(({ key, value }) => `${key ?? ''}\x01${value ?? ''}\n`).join(''));
  }

  async consume(topic) {
    return (await this.kcat(['-C', '-t', topic, '-e', '-q', '-J'])).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }
}
