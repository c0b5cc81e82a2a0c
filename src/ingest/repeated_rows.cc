#include "ingest/repeated_rows.h"

#include "base/invariant.h"
#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/image_reader.h"

namespace tidemark::ingest {
namespace {

std::string key_of(const CapturedTable& table, const Block& rows, size_t row) {
  std::string key;
  for (size_t column : table.source.key) rows.columns[column].encode(row, key);
  return key;
}

// Takes the rows out that are not to be kept.
void take_only(Part& part, const std::vector<bool>& keep) {
  const CapturedTable& table = *part.table;
  Block rows = bronze_block(table);
  std::vector<Operation> operations;
  std::vector<Part::Unchanged> unchanged;
  size_t next = 0;
  for (size_t row = 0; row < keep.size(); ++row) {
    for (; next < part.unchanged.size() && part.unchanged[next].row == row; ++next)
      if (keep[row])
        unchanged.push_back({static_cast<uint32_t>(operations.size()), part.unchanged[next].column});
    if (!keep[row]) continue;
    for (size_t column = 0; column < rows.columns.size(); ++column)
      rows.columns[column].append_from(part.rows.columns[column], row);
    // Without its old half it is no key change any more.
    bool halved = !table.log && !table.keeps_first && part.operations[row] == Operation::insert && row > 0 &&
                  !keep[row - 1];
    operations.push_back(halved ? Operation::update : part.operations[row]);
  }
  part.rows = std::move(rows);
  part.operations = std::move(operations);
  part.unchanged = std::move(unchanged);
}

}  // namespace

Result<NewestVersions> newest_versions(clickhouse::ClientPool& pool, const Part& part,
                                       const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop,
                                       const KnownKeys* known) {
  const CapturedTable& table = *part.table;
  Block keys;
  for (size_t column : table.source.key)
    keys.add(table.source.columns[column].name, table.source.columns[column].target);
  NewestVersions newest;
  for (size_t row = 0; row < part.rows.rows(); ++row) {
    if (!newest.emplace(key_of(table, part.rows, row), 0).second) continue;
    if (known != nullptr &&
        !known->may_have(KnownKeys::hash(part.rows.columns[table.source.key.front()].text(row))))
      continue;
    for (size_t index = 0; index < table.source.key.size(); ++index)
      keys.columns[index].append_from(part.rows.columns[table.source.key[index]], row);
  }
  std::string names = clickhouse::quote_list(keys.names);
  clickhouse::QueryOptions options;
  options.settings = {{"max_query_size", std::to_string(limits::image_query_bytes_max)},
                      {"max_ast_elements", "10000000"},
                      {"max_expanded_ast_elements", "10000000"},
                      {"max_threads", "2"}};
  options.timeout = policy.attempt_timeout;
  for (size_t begin = 0; begin < keys.rows();) {
    std::string list;
    size_t end = std::min(keys.rows(), begin + limits::image_keys_max);
    for (; begin < end && list.size() < limits::image_query_bytes_max / 2; ++begin)
      list += (list.empty() ? "" : ", ") + key_literal(keys, begin);
    // Not FINAL: deleted rows count, too, and the newest version is all that is asked for.
    std::string sql =
        fmt::format("SELECT {0}, max(_version) AS newest_version FROM {1} WHERE {2} IN ({3}) GROUP BY {0}",
                    names, table.target(), keys.names.size() == 1 ? names : "(" + names + ")", list);
    Block found;
    TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
      found = TRY(pool.lease()->query(sql, options));
      return {};
    }));
    for (size_t row = 0; row < found.rows(); ++row) {
      // Through columns of the table's own types: those of an answer may be written differently.
      std::string key;
      for (size_t index = 0; index < table.source.key.size(); ++index) {
        Column own(table.source.columns[table.source.key[index]].target);
        own.append_from(found.columns[index], row);
        own.encode(0, key);
      }
      newest[key] = found.columns.back().get<Version>(row);
    }
  }
  return newest;
}

size_t drop_repeated(Part& part, NewestVersions newest) {
  const CapturedTable& table = *part.table;
  INVARIANT(part.old_row_of.empty());
  const Column& versions = *part.rows.find(bookkeeping::version);
  std::vector<bool> keep(part.operations.size());
  size_t dropped = 0;
  for (size_t row = 0; row < keep.size(); ++row) {
    Version& before = newest[key_of(table, part.rows, row)];
    auto version = versions.get<Version>(row);
    keep[row] = version > before;
    if (keep[row])
      before = version;
    else
      ++dropped;
  }
  if (dropped > 0) take_only(part, keep);
  return dropped;
}

size_t keep_first(Part& part, NewestVersions newest) {
  const Column& versions = *part.rows.find(bookkeeping::version);
  std::vector<bool> keep(part.operations.size());
  size_t dropped = 0;
  size_t duplicates = 0;
  for (size_t row = 0; row < keep.size(); ++row) {
    Version& first = newest[key_of(*part.table, part.rows, row)];
    auto version = versions.get<Version>(row);
    keep[row] = first == 0;
    if (keep[row]) {
      first = version;
      continue;
    }
    ++dropped;
    duplicates += first != version ? 1 : 0;
  }
  if (dropped > 0) take_only(part, keep);
  return duplicates;
}

}  // namespace tidemark::ingest
