#include "models/runtime.h"

#include "base/cut_number.h"
#include "base/limits.h"
#include "clickhouse/cluster.h"
#include "models/model_source.h"
#include "models/query_settings.h"
#include "models/sql_tokens.h"

namespace tidemark::models {
namespace {

std::string decimal(Version version) {
  if (version == 0) return "0";
  std::string digits;
  for (; version > 0; version /= 10) digits += static_cast<char>('0' + static_cast<int>(version % 10));
  return {digits.rbegin(), digits.rend()};
}

Version parsed(std::string_view digits) {
  Version version = 0;
  for (char digit : digits) version = version * 10 + static_cast<Version>(digit - '0');
  return version;
}

#define TRY_VOID_IN(expression, where)                                                        \
  do {                                                                                        \
    Status try_status_ = (expression);                                                        \
    if (!try_status_) return tl::unexpected<Error>(std::move(try_status_.error()).in(where)); \
  } while (false)

std::string bronze_name(const std::string& table) {
  return table.starts_with("bronze.") ? table : "bronze." + table;
}

template <class Names>
bool any_of(const Names& names, const std::vector<std::string>& tables) {
  return std::any_of(tables.begin(), tables.end(),
                     [&](const auto& table) { return names.contains(bronze_name(table)); });
}

clickhouse::QueryOptions options_for(uint64_t cut) {
  clickhouse::QueryOptions options;
  options.settings = model_query_settings();
  const std::map<std::string, std::string> own = {
      // A refresh is right however often it runs (versions decide), so the server must not take two equal
      // blocks for one block sent twice.
      {"insert_deduplicate", "0"},
      {"max_partitions_per_insert_block", "0"},
      // One part a partition: rows and tombstones of a slice appear together.
      {"max_insert_threads", "1"},
      {"min_insert_block_size_rows", std::to_string(4 * limits::keyed_keys_a_slice)},
      {"min_insert_block_size_bytes", "0"}};
  options.settings.insert(own.begin(), own.end());
  options.parameters = {{"cut", std::to_string(cut)}};
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return options;
}

}  // namespace

struct Runtime::Work {
  const CompiledModel* model;
  std::mutex mutex;    // one recompute of a model at a time
  Version newest = 0;  // of the store's rows
  bool newest_known = false;
  uint64_t rows = 0;  // of the store, when last looked
  std::map<std::string, uint64_t>
      cleaned;  // cut table and mirrored table -> partition before which all are gone

  // Odd, and above all before; the tombstones of the same recompute take the number below.
  Result<Version> next_version(clickhouse::Client& client, Version at_least) {
    if (!newest_known) {
      Block block = TRY_IN(client.query(model->keyed.newest), "model " + model->name);
      if (block.rows() != 1) return fail(ErrorKind::internal, model->store + " does not tell its rows");
      rows = block.columns[0].get<uint64_t>(0);
      newest = parsed(block.columns[1].text(0));
      newest_known = true;
    }
    newest = std::max(at_least, newest + 2) | 1;
    return newest;
  }
};

Runtime::Runtime(CompiledModels models, Writers writers, WatchHooks watch)
    : models_(std::move(models)), writers_(writers), watch_(std::move(watch)) {
  for (const auto& model : models_.models) {
    if (model.form != StoreForm::keyed) continue;
    work_.push_back(std::make_unique<Work>());
    work_.back()->model = &model;
  }
}
Runtime::~Runtime() = default;

bool Runtime::has_keyed_models() const {
  return !work_.empty();
}

Result<Version> Runtime::next_version(clickhouse::Client& client, Work& work, uint64_t cut,
                                      Version at_least) {
  if (writers_ == Writers::one) return work.next_version(client, at_least);
  Block block = TRY_IN(client.query("SELECT toUInt64(toUnixTimestamp64Nano(now64(9))) AS now"),
                       "model " + work.model->name);
  if (block.rows() != 1) return fail(ErrorKind::internal, "the warehouse does not tell the time");
  constexpr int stream_bits = 16;
  Version highest_bit = static_cast<Version>(1) << 127;
  Version now = highest_bit | static_cast<Version>(block.columns[0].get<uint64_t>(0)) << stream_bits |
                stream_of(cut) << 1 | 1;
  work.newest = std::max(now, work.newest + 2);
  return work.newest;
}

Status Runtime::after_cut(clickhouse::Client& client, uint64_t cut, Version version,
                          const std::vector<std::string>& tables) {
  for (auto& work : work_) {
    if (!any_of(work->model->tables_in_depth, tables)) continue;
    std::lock_guard lock(work->mutex);
    TRY_VOID_IN(refresh(client, *work, cut, version, tables), "model " + work->model->name);
    TRY_VOID_IN(clean_up(client, *work, cut, tables), "model " + work->model->name);
  }
  return {};
}

Status Runtime::derive_touched(clickhouse::Client& client, Work& work, uint64_t cut,
                               const std::vector<std::string>& tables) {
  const KeyedStatements& statements = work.model->keyed;
  clickhouse::QueryOptions options = options_for(cut);
  // One statement, so that the server works on them side by side and writes one part a table.
  std::vector<std::string> derived;
  for (const auto& [mirrored, select] : statements.derive)
    if (any_of(std::set<std::string>{mirrored}, tables)) derived.push_back("SELECT * FROM (" + select + ")");
  if (derived.empty()) return {};
  return client.execute("INSERT INTO " + work.model->touched + " " + joined(derived, " UNION ALL "), options);
}

Status Runtime::refresh(clickhouse::Client& client, Work& work, uint64_t cut, Version version,
                        const std::vector<std::string>& tables) {
  TRY_VOID(derive_touched(client, work, cut, tables));
  // Who watches reads the keys, so that they need not be counted first.
  if (work.model->file.watch)
    return watch_.touched ? watch_.touched(client, {*work.model, cut, tables}) : Status();
  const KeyedStatements& statements = work.model->keyed;
  clickhouse::QueryOptions options = options_for(cut);
  Block counted = TRY(client.query(statements.count, options));
  uint64_t keys = counted.rows() == 1 ? counted.columns[0].get<uint64_t>(0) : 0;
  if (keys == 0) return {};
  if (keys > limits::keyed_keys_a_slice && writers_ == Writers::one) {
    work.newest_known = false;  // ask again how many rows there are
    Version next = TRY(work.next_version(client, version));
    if (keys > work.rows / 2) return rebuild(client, work, next);
  }
  options.parameters["key_count"] = std::to_string(limits::keyed_keys_a_slice);
  for (uint64_t offset = 0; offset < keys; offset += limits::keyed_keys_a_slice) {
    Version row_version = TRY(next_version(client, work, cut, version));
    options.parameters["row_version"] = decimal(row_version);
    options.parameters["tombstone_version"] = decimal(row_version - 1);
    options.parameters["key_offset"] = std::to_string(offset);
    TRY_VOID(client.execute(statements.refresh, options));
  }
  return {};
}

Status Runtime::rebuild(clickhouse::Client& client, Work& work, Version version) {
  clickhouse::QueryOptions options = options_for(0);
  Version row_version = TRY(next_version(client, work, 0, version));
  options.parameters["row_version"] = decimal(row_version);
  options.parameters["tombstone_version"] = decimal(row_version - 1);
  for (const auto& statement : work.model->keyed.rebuild) TRY_VOID(client.execute(statement, options));
  return {};
}

// Cuts before this one are fenced, so what they touched is of no use any more.
Status Runtime::clean_up(clickhouse::Client& client, Work& work, uint64_t cut,
                         const std::vector<std::string>& tables) {
  uint64_t partition = cut / cuts_a_partition;
  // Those of other streams are not ours to judge.
  uint64_t first = first_cut_of_stream(cut) / cuts_a_partition;
  if (partition == first) return {};
  for (const auto& [cut_table, mirrored] : work.model->keyed.cut_tables)
    for (const auto& table : tables) {
      std::string name = bronze_name(table);
      if (!mirrored.contains(name)) continue;
      uint64_t& cleaned = work.cleaned[fmt::format("{}{}#{}", cut_table, name, stream_of(cut))];
      if (cleaned == partition) continue;
      auto parts = TRY(tokenize(cut_table));
      Block old = TRY(client.query(
          "SELECT DISTINCT partition FROM " + clickhouse::system_table(client, "parts") +
              " WHERE active AND database = {database:String} AND table "
              "= {table:String} AND tupleElement(CAST(partition AS Tuple(String, UInt64)), 1) = "
              "{mirrored:String} AND "
              "tupleElement(CAST(partition AS Tuple(String, UInt64)), 2) < {partition:UInt64} AND "
              "tupleElement(CAST(partition AS Tuple(String, UInt64)), 2) >= {first:UInt64}",
          {.parameters = {{"database", parts.at(0).name},
                          {"table", parts.at(2).name},
                          {"mirrored", name},
                          {"partition", std::to_string(partition)},
                          {"first", std::to_string(first)}}}));
      for (size_t row = 0; row < old.rows(); ++row)
        TRY_VOID(client.execute("ALTER TABLE " + cut_table + " DROP PARTITION " +
                                std::string(old.columns[0].text(row))));
      cleaned = partition;
    }
  return {};
}

Status Runtime::after_copy(clickhouse::Client& client, Version version,
                           const std::vector<std::string>& tables) {
  for (auto& work : work_) {
    if (!any_of(work->model->tables_in_depth, tables)) continue;
    std::lock_guard lock(work->mutex);
    const CompiledModel& model = *work->model;
    if (!model.file.watch)
      TRY_VOID_IN(rebuild(client, *work, version), "model " + model.name);
    else if (watch_.all_touched)
      TRY_VOID_IN(watch_.all_touched(client, model), "model " + model.name);
  }
  return {};
}

}  // namespace tidemark::models
