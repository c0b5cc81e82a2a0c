#include "ingest/kafka_scratch.h"

#include "base/clock.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/kafka_parity_limits.h"

#include <fmt/format.h>
#include <random>
#include <signal.h>
#include <sstream>
#include <unistd.h>

namespace tidemark::ingest {
namespace {

constexpr const char* prefix = "tidemark_verify_";

std::string host() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

clickhouse::QueryOptions bounded() {
  clickhouse::QueryOptions options;
  options.timeout = limits::parity_query_time_max;
  options.placement = clickhouse::Placement::initiator;
  options.settings = {
      {"max_execution_time", "0"},
      {"max_query_size", "16777216"},
      {"max_memory_usage", std::to_string(limits::parity_query_memory_bytes_max)},
      {"max_bytes_before_external_group_by", std::to_string(limits::parity_query_spill_bytes)},
      {"max_bytes_before_external_sort", std::to_string(limits::parity_query_spill_bytes)},
      // Changes lie ordered by key: a key is done with when the next one comes.
      {"optimize_aggregation_in_order", "1"},
      {"max_threads", "2"},
      {"join_use_nulls", "0"},
      {"prefer_column_name_to_alias", "1"},
      {"async_insert", "0"},
      {"insert_deduplicate", "0"},
  };
  return options;
}

// "host pid seconds": is whoever made it gone?
bool forgotten(const std::string& comment) {
  std::istringstream text(comment);
  std::string made_on;
  int64_t process = 0;
  int64_t made_at = 0;
  if (!(text >> made_on >> process >> made_at)) return true;
  if (made_on == host() && process != getpid() && kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH)
    return true;
  return system_clock().wall_micros() / 1'000'000 - made_at > limits::scratch_forgotten_s;
}

}  // namespace

Result<std::unique_ptr<KafkaScratch>> KafkaScratch::make(clickhouse::ClientPool& pool) {
  Block left = TRY(pool.query(
      fmt::format("SELECT name, comment FROM system.databases WHERE startsWith(name, '{}')", prefix)));
  for (size_t row = 0; row < left.rows(); ++row)
    if (forgotten(std::string(left.columns[1].text(row))))
      TRY_VOID(pool.execute(
          "DROP DATABASE IF EXISTS " + clickhouse::quote_identifier(left.columns[0].text(row)) + " SYNC",
          bounded()));
  std::random_device random;
  std::string database = fmt::format("{}{}_{:08x}", prefix, getpid(), random());
  TRY_VOID(
      pool.execute(fmt::format("CREATE DATABASE {} COMMENT {}", database,
                               clickhouse::quote_string(fmt::format(
                                   "{} {} {}", host(), getpid(), system_clock().wall_micros() / 1'000'000))),
                   bounded()));
  auto scratch = std::unique_ptr<KafkaScratch>(new KafkaScratch(pool, database));
  TRY_VOID(scratch->execute(
      fmt::format("CREATE TABLE {} (table String, topic String, partition UInt64, lsn UInt64, stage UInt8) "
                  "ENGINE = MergeTree ORDER BY (table, lsn)",
                  scratch->refused())));
  return scratch;
}

KafkaScratch::~KafkaScratch() {
  if (auto dropped = pool_.execute("DROP DATABASE IF EXISTS " + database_ + " SYNC", bounded()); !dropped)
    log::warn("{} could not be dropped; the next verify drops it: {}", database_, dropped.error().message);
}

Status KafkaScratch::add(size_t number, const CapturedTable& table) {
  std::string all;
  std::string keys;
  std::string key_order;
  for (size_t index = 0; index < table.source.columns.size(); ++index)
    all += fmt::format("{} {}, ", column(index), table.source.columns[index].target.name());
  if (!table.log)
    for (size_t index : table.source.key) {
      keys += fmt::format("{} {}, ", column(index), table.source.columns[index].target.name());
      key_order += column(index) + ", ";
    }
  TRY_VOID(execute(
      fmt::format("CREATE TABLE {} ({}_version UInt128, _deleted UInt8, _unchanged String, _stage UInt8, "
                  "_patch UInt8 DEFAULT 0) ENGINE = MergeTree ORDER BY ({}_version)",
                  changes(number), all, key_order)));
  TRY_VOID(
      execute(fmt::format("CREATE TABLE {} ({}_version UInt128, _what LowCardinality(String), _rows "
                          "UInt64, _judged UInt8 DEFAULT 0) ENGINE = MergeTree ORDER BY ({}_version)",
                          differences(number), keys, key_order)));
  return execute(fmt::format(
      "CREATE TABLE {} ({}_version UInt128, _deleted UInt8) ENGINE = MergeTree ORDER BY ({}_version)",
      moving(number), all, key_order));
}

Block KafkaScratch::changes_block(const CapturedTable& table) {
  Block block;
  for (size_t index = 0; index < table.source.columns.size(); ++index)
    block.add(column(index), table.source.columns[index].target);
  block.add("_version", ColumnType::of(TypeKind::uint128));
  block.add("_deleted", ColumnType::of(TypeKind::uint8));
  block.add("_unchanged", ColumnType::of(TypeKind::string));
  block.add("_stage", ColumnType::of(TypeKind::uint8));
  return block;
}

Status KafkaScratch::insert(const std::string& table, const Block& block) {
  return pool_.lease()->insert(table, block, bounded());
}

Status KafkaScratch::execute(const std::string& sql) {
  return pool_.execute(sql, bounded());
}

Result<Block> KafkaScratch::query(const std::string& sql) {
  return pool_.query(sql, bounded());
}

}  // namespace tidemark::ingest
