#include "models/runtime.h"

#include "base/limits.h"

namespace tidemark::models {
namespace {

std::string decimal(Version version) {
  if (version == 0) return "0";
  std::string digits;
  for (; version > 0; version /= 10) digits += static_cast<char>('0' + static_cast<int>(version % 10));
  return {digits.rbegin(), digits.rend()};
}

#define TRY_VOID_IN(expression, where)                                                        \
  do {                                                                                        \
    Status try_status_ = (expression);                                                        \
    if (!try_status_) return tl::unexpected<Error>(std::move(try_status_.error()).in(where)); \
  } while (false)

std::string bronze_name(const std::string& table) {
  return table.starts_with("bronze.") ? table : "bronze." + table;
}

bool reads_any(const CompiledModel& model, const std::vector<std::string>& tables) {
  return std::any_of(tables.begin(), tables.end(),
                     [&](const auto& table) { return model.tables_in_depth.contains(bronze_name(table)); });
}

// A refresh is right however often it runs (versions decide), so the server must not take two equal blocks
// for one block sent twice.
clickhouse::QueryOptions options_for(uint64_t cut, Version version) {
  clickhouse::QueryOptions options;
  options.settings = {
      {"insert_deduplicate", "0"},
      {"max_partitions_per_insert_block", "0"},
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)},
      {"max_bytes_before_external_sort", std::to_string(limits::model_query_memory_bytes)}};
  options.parameters = {{"cut", std::to_string(cut)},
                        {"row_version", decimal(version | 1)},
                        {"tombstone_version", decimal((version | 1) - 1)}};
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return options;
}

}  // namespace

bool Runtime::has_keyed_models() const {
  return std::any_of(models_.models.begin(), models_.models.end(),
                     [](const auto& model) { return model.form == StoreForm::keyed; });
}

Status Runtime::after_cut(clickhouse::Client& client, uint64_t cut, Version version,
                          const std::vector<std::string>& tables) {
  for (const auto& model : models_.models) {
    if (model.form != StoreForm::keyed || !reads_any(model, tables)) continue;
    for (const auto& statement : model.refresh_statements)
      TRY_VOID_IN(client.execute(statement, options_for(cut, version)), "model " + model.name);
    // Cuts before this one are fenced, so what they touched is of no use any more.
    uint64_t partition = cut / 4096;
    for (const auto& table : tables) {
      std::string name = bronze_name(table);
      if (partition == 0 || !model.tables_in_depth.contains(name)) continue;
      {
        std::lock_guard lock(mutex_);
        uint64_t& cleaned = cleaned_[model.touched + name];
        if (cleaned == partition) continue;
        cleaned = partition;
      }
      Block old = TRY_IN(
          client.query(
              "SELECT DISTINCT partition FROM system.parts WHERE active AND database = {database:String} AND "
              "table = {table:String} AND tupleElement(CAST(partition AS Tuple(String, UInt64)), 1) = "
              "{mirrored:String} AND tupleElement(CAST(partition AS Tuple(String, UInt64)), 2) < "
              "{partition:UInt64}",
              {.parameters = {{"database", model.file.database},
                              {"table",
                               model.file.name + "__" + model.fingerprint.substr(0, 8) + "__touched"},
                              {"mirrored", name},
                              {"partition", std::to_string(partition)}}}),
          "model " + model.name);
      for (size_t row = 0; row < old.rows(); ++row)
        TRY_VOID_IN(client.execute("ALTER TABLE " + model.touched + " DROP PARTITION " +
                                   std::string(old.columns[0].text(row))),
                    "model " + model.name);
    }
  }
  return {};
}

Status Runtime::after_copy(clickhouse::Client& client, Version version,
                           const std::vector<std::string>& tables) {
  for (const auto& model : models_.models) {
    if (model.form != StoreForm::keyed || !reads_any(model, tables)) continue;
    for (const auto& statement : model.rebuild_statements)
      TRY_VOID_IN(client.execute(statement, options_for(0, version)), "model " + model.name);
  }
  return {};
}

}  // namespace tidemark::models
