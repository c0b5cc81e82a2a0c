// A ClickHouse cluster of a test: real tidemark-clickhouse processes that know each other by remote_servers, one a shard. To Tidemark they are servers of the user's own.
//   const shards = await Shards.start(directory, 2);
//   project.write('tidemark.yaml', shards.settings(...));
import fs from 'node:fs';
import path from 'node:path';
import { Child, binary, eventually, free_ports, root } from './process.mjs';

const password = 'between-shards';
export const cluster = 'main';

const users = `<clickhouse>
  <profiles>
    <default>
      <http_max_field_value_size>16777216</http_max_field_value_size>
      <http_max_uri_size>16777216</http_max_uri_size>
      <insert_deduplicate>0</insert_deduplicate>
      <async_insert>0</async_insert>
    </default>
    <launcher><function_sleep_max_microseconds_per_block>4294967295</function_sleep_max_microseconds_per_block></launcher>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/><networks><ip>127.0.0.1</ip><ip>::1</ip></networks><profile>launcher</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
    </default>
    <tide>
      <password>${password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <access_management>1</access_management><named_collection_control>1</named_collection_control>
    </tide>
  </users>
</clickhouse>
`;

class Shard {
  // Started again when it ends by itself, as a service would be: the library ends its process when a server that it talks
  // to over the native protocol is killed (docs/BUGS.md).
  run() {
    this.child = new Child(path.join(path.dirname(binary), 'tidemark-clickhouse'), ['--library', library(), '--config', this.config], {
      cwd: this.directory,
      log: path.join(this.directory, 'output.log'),
    });
    this.child.ended.then(() => {
      if (this.wanted) this.run();
    });
  }
  start() {
    this.wanted = true;
    this.run();
    return eventually(`shard ${this.number} answers`, async () => (await this.query('SELECT 1')).trim() === '1');
  }
  kill() {
    this.wanted = false;
    return this.child?.end({ signal: 'SIGKILL' });
  }
  async query(text, { format = 'TabSeparated' } = {}) {
    const answer = await fetch(`http://127.0.0.1:${this.http_port}/?default_format=${format}&session_timezone=UTC&distributed_product_mode=global&prefer_global_in_and_join=1&allow_push_predicate_ast_for_distributed_subqueries=0`, {
      method: 'POST',
      body: text,
      headers: { 'X-ClickHouse-User': 'tide', 'X-ClickHouse-Key': password },
      signal: AbortSignal.timeout(120_000),
    });
    const result = await answer.text();
    if (!answer.ok || answer.headers.get('x-clickhouse-exception-code')) throw new Error(`shard ${this.number}: ${text}\n${result}`);
    return result;
  }
}

function library() {
  return process.env.TIDEMARK_LIBCHDB ?? path.join(root, 'node_modules/@chdb/lib-linux-x64-gnu/libchdb.so');
}

export class Shards {
  static async start(directory, count) {
    const shards = new Shards();
    const ports = await free_ports(2 * count);
    shards.list = Array.from({ length: count }, (_, index) => Object.assign(new Shard(), { number: index + 1, http_port: ports[2 * index], tcp_port: ports[2 * index + 1] }));
    for (const shard of shards.list) {
      shard.directory = path.join(directory, `shard_${shard.number}`);
      shard.config = path.join(shard.directory, 'config.xml');
      fs.mkdirSync(shard.directory, { recursive: true });
      fs.writeFileSync(path.join(shard.directory, 'users.xml'), users);
      fs.writeFileSync(shard.config, shards.config(shard));
    }
    await Promise.all(shards.list.map((shard) => shard.start()));
    return shards;
  }

  config(shard) {
    const of_cluster = this.list.map(
      ({ tcp_port }) => `<shard><replica><host>127.0.0.1</host><port>${tcp_port}</port><user>tide</user><password>${password}</password></replica></shard>`,
    );
    return `<clickhouse>
  <log-level>warning</log-level>
  <logger><level>warning</level><log>${shard.directory}/server.log</log><errorlog>${shard.directory}/errors.log</errorlog></logger>
  <path>${shard.directory}/data/</path>
  <tmp_path>${shard.directory}/data/tmp/</tmp_path>
  <users_config>${shard.directory}/users.xml</users_config>
  <listen_host>127.0.0.1</listen_host>
  <http_port>${shard.http_port}</http_port>
  <tcp_port>${shard.tcp_port}</tcp_port>
  <keep_alive_timeout>3600</keep_alive_timeout>
  <max_server_memory_usage>1500000000</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <background_pool_size>4</background_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  <remote_servers><${cluster}>${of_cluster.join('')}</${cluster}></remote_servers>
</clickhouse>
`;
  }

  // tidemark.yaml's `warehouse`; shard 1 is the server that is asked.
  settings({ cluster: name = cluster, shards = this.list.map(({ http_port }) => `http://127.0.0.1:${http_port}`) } = {}) {
    return `warehouse:\n  url: http://127.0.0.1:${this.list[0].http_port}\n  user: tide\n  password: ${password}\n  cluster: ${name}\n  shards: [${shards.map((url) => `'${url}'`).join(', ')}]\n`;
  }

  stop() {
    return Promise.allSettled(this.list.map((shard) => shard.kill()));
  }
}
