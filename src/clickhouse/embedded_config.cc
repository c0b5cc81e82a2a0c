#include "clickhouse/embedded_config.h"

#include <fmt/format.h>

namespace tidemark::clickhouse {
namespace {

std::string xml(std::string_view text) {
  std::string escaped;
  for (char character : text) {
    if (character == '&')
      escaped += "&amp;";
    else if (character == '<')
      escaped += "&lt;";
    else if (character == '>')
      escaped += "&gt;";
    else
      escaped.push_back(character);
  }
  return escaped;
}

// Harmless system tables that clients look at and that need a grant of their own; tables, columns, databases,
// one and settings are open to everybody and show only what the user may see.
constexpr std::string_view reader_system_tables[] = {"numbers", "functions", "formats", "data_type_families",
                                                     "time_zones"};

}  // namespace

// Pools and caches: sized for a machine of two cores that also runs Postgres and Tidemark. The defaults (16
// merge threads, 5 GB mark cache, 10,000 threads) are for servers of their own.
std::string server_config_text(const EmbeddedConfig& config) {
  return fmt::format(R"(<clickhouse>
  <!-- Written by Tidemark at every start; changes here are lost. -->
  <log-level>warning</log-level>
  <logger>
    <level>warning</level>
    <log>{directory}/logs/clickhouse.log</log>
    <errorlog>{directory}/logs/clickhouse-errors.log</errorlog>
    <size>10M</size>
    <count>3</count>
  </logger>
  <path>{directory}/clickhouse/</path>
  <tmp_path>{directory}/clickhouse/tmp/</tmp_path>
  <user_files_path>{directory}/user_files/</user_files_path>
  <format_schema_path>{directory}/clickhouse/format_schemas/</format_schema_path>
  <users_config>{directory}/config/users.xml</users_config>
  <listen_host>{listen}</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <keep_alive_timeout>3600</keep_alive_timeout>
  <max_keep_alive_requests>0</max_keep_alive_requests>
  <max_connections>1024</max_connections>
  <max_concurrent_queries>200</max_concurrent_queries>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <mmap_cache_size>128</mmap_cache_size>
  <compiled_expression_cache_size>33554432</compiled_expression_cache_size>
  <query_cache><max_size_in_bytes>33554432</max_size_in_bytes></query_cache>
  <background_pool_size>4</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>2</background_distributed_schedule_pool_size>
  <max_table_size_to_drop>0</max_table_size_to_drop>
  <max_partition_size_to_drop>0</max_partition_size_to_drop>
  <merge_tree>
    <!-- As mirrored tables have it everywhere (ingest/captured_table.h), for the tables of models, too; and
         by one thread, so that INSERTs have the other core meanwhile. -->
    <cleanup_delay_period>1</cleanup_delay_period>
    <cleanup_delay_period_random_add>0</cleanup_delay_period_random_add>
    <concurrent_part_removal_threshold>100000</concurrent_part_removal_threshold>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
  {extra}
</clickhouse>
)",
                     fmt::arg("directory", xml(config.directory.string())),
                     fmt::arg("listen", xml(config.listen)), fmt::arg("http_port", config.http_port),
                     fmt::arg("tcp_port", config.tcp_port), fmt::arg("memory", config.memory_bytes_max),
                     fmt::arg("extra", config.extra));
}

std::string users_config_text(const EmbeddedConfig& config) {
  std::string reader_grants;
  for (auto table : reader_system_tables)
    reader_grants += fmt::format("\n        <query>GRANT SELECT ON system.{}</query>", table);
  // A reader's query may take half of the server's memory, all of them together three quarters: merges and
  // inserts must go on.
  size_t reader_memory = config.memory_bytes_max / 2;
  return fmt::format(
      R"(<clickhouse>
  <profiles>
    <default>
      <!-- Parameters of HTTP queries may be long lists of keys. -->
      <http_max_field_value_size>16777216</http_max_field_value_size>
      <http_max_uri_size>16777216</http_max_uri_size>
      <!-- Rows are dropped as repeated only when the INSERT asks for it (clickhouse/retry.h). With the default of
           deduplicate_insert, two equal INSERTs without a token would count once, and insert_deduplicate = 0 would not
           help. -->
      <deduplicate_insert>backward_compatible_choice</deduplicate_insert>
      <insert_deduplicate>0</insert_deduplicate>
      <deduplicate_blocks_in_dependent_materialized_views>1</deduplicate_blocks_in_dependent_materialized_views>
      <async_insert>0</async_insert>
      <max_partitions_per_insert_block>0</max_partitions_per_insert_block>
      <!-- Takes toDate(x) for monotonic over all of DateTime64 and skips parts that hold one value out of Date's range:
           rows are missing from the answer (26.7). -->
      <use_statistics_for_part_pruning>0</use_statistics_for_part_pruning>
      <!-- Compiled max() and min() compare DateTime64 as unsigned: times before 1970 are the largest (26.7). -->
      <compile_aggregate_expressions>0</compile_aggregate_expressions>
      <!-- avg(x * 3) would be computed as avg(x) * 3, another float than a model that adds x * 3 up has. -->
      <optimize_arithmetic_operations_in_aggregate_functions>0</optimize_arithmetic_operations_in_aggregate_functions>
    </default>
    <launcher>
      <function_sleep_max_microseconds_per_block>4294967295</function_sleep_max_microseconds_per_block>
    </launcher>
    <owner/>
    <reader>
      <readonly>2</readonly>
      <!-- A view over views over views is planned once instead of once a level: 15 ms become 9 for a small model. -->
      <analyzer_inline_views>1</analyzer_inline_views>
      <max_execution_time>{seconds}</max_execution_time>
      <timeout_overflow_mode>throw</timeout_overflow_mode>
      <max_result_rows>{rows}</max_result_rows>
      <result_overflow_mode>throw</result_overflow_mode>
      <max_memory_usage>{memory}</max_memory_usage>
      <max_memory_usage_for_user>{memory_all}</max_memory_usage_for_user>
      <max_concurrent_queries_for_user>32</max_concurrent_queries_for_user>
      <constraints>
        <max_execution_time><min>0.001</min><max>{seconds}</max></max_execution_time>
        <max_result_rows><min>1</min><max>{rows}</max></max_result_rows>
        <max_memory_usage><min>1</min><max>{memory}</max></max_memory_usage>
        <max_memory_usage_for_user><const/></max_memory_usage_for_user>
        <max_concurrent_queries_for_user><const/></max_concurrent_queries_for_user>
        <timeout_overflow_mode><const/></timeout_overflow_mode>
        <result_overflow_mode><const/></result_overflow_mode>
        <function_sleep_max_microseconds_per_block><const/></function_sleep_max_microseconds_per_block>
        <max_untracked_memory><const/></max_untracked_memory>
        <memory_overcommit_ratio_denominator><const/></memory_overcommit_ratio_denominator>
        <priority><const/></priority>
      </constraints>
    </reader>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>launcher</profile>
      <quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
    </default>
    <tidemark>
      <password_sha256_hex>{tidemark_hash}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>owner</profile>
      <quota>default</quota>
      <access_management>1</access_management>
      <named_collection_control>1</named_collection_control>
    </tidemark>
    <admin>
      <password_sha256_hex>{admin_hash}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>owner</profile>
      <quota>default</quota>
      <access_management>1</access_management>
      <named_collection_control>1</named_collection_control>
    </admin>
    <reader>
      <password_sha256_hex>{reader_hash}</password_sha256_hex>
      <networks><ip>::/0</ip></networks>
      <profile>reader</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SELECT ON *.*</query>
        <query>GRANT dictGet ON *.*</query>
        <query>REVOKE SELECT ON system.*</query>
        <query>REVOKE SELECT ON tidemark.*</query>{reader_grants}
      </grants>
    </reader>
  </users>
</clickhouse>
)",
      fmt::arg("seconds", config.reader_seconds_max), fmt::arg("rows", config.reader_result_rows_max),
      fmt::arg("memory", reader_memory), fmt::arg("memory_all", reader_memory + reader_memory / 2),
      fmt::arg("tidemark_hash", config.tidemark_password_hash),
      fmt::arg("admin_hash", config.admin_password_hash),
      fmt::arg("reader_hash", config.reader_password_hash), fmt::arg("reader_grants", reader_grants));
}

}  // namespace tidemark::clickhouse
