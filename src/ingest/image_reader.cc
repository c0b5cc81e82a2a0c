#include "ingest/image_reader.h"

#include "base/limits.h"
#include "clickhouse/schema.h"

#include <numeric>

namespace tidemark::ingest {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

template <class T>
std::string number(const Column& column, size_t row) {
  return fmt::format("{}", column.get<T>(row));
}

std::string uuid_text(const Column& column, size_t row) {
  auto high = column.get<std::array<uint64_t, 2>>(row)[0];
  auto low = column.get<std::array<uint64_t, 2>>(row)[1];
  return fmt::format("'{:08x}-{:04x}-{:04x}-{:04x}-{:012x}'", high >> 32, (high >> 16) & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffffULL);
}

// Wide values are given as their bytes: reinterpret() has the same answer for every fixed-width type.
std::string reinterpreted(const Column& column, size_t row) {
  std::string hex;
  for (size_t index = 0; index < column.type().width(); ++index)
    hex += fmt::format("{:02X}", static_cast<unsigned char>(column.fixed(row)[index]));
  return fmt::format("reinterpret(unhex('{}'), '{}')", hex, ColumnType(column.type()).name());
}

std::string literal(const Column& column, size_t row) {
  if (column.is_null(row)) return "NULL";
  switch (column.type().kind) {
    case TypeKind::boolean:
      return column.get<uint8_t>(row) != 0 ? "true" : "false";
    case TypeKind::int16:
      return number<int16_t>(column, row);
    case TypeKind::int32:
      return number<int32_t>(column, row);
    case TypeKind::int64:
      return number<int64_t>(column, row);
    case TypeKind::uint32:
      return number<uint32_t>(column, row);
    case TypeKind::uint64:
      return number<uint64_t>(column, row);
    case TypeKind::date32:
      return fmt::format("toDate32({})", column.get<int32_t>(row));
    case TypeKind::datetime64:
      if (column.type().scale != 6) return reinterpreted(column, row);
      return fmt::format("fromUnixTimestamp64Micro({})", column.get<int64_t>(row));
    case TypeKind::uuid:
      return uuid_text(column, row);
    case TypeKind::string:
    case TypeKind::json:
      return quote_string(column.text(row));
    default:
      return reinterpreted(column, row);
  }
}

// `begin` moves on past the keys the text has: as many as limits allow, at least one.
std::string select_by_keys(const CapturedTable& table, const Block& keys, size_t& begin) {
  std::string columns;
  for (const auto& column : table.source.columns)
    columns += (columns.empty() ? "" : ", ") + quote_identifier(column.name);
  std::string key;
  for (const auto& name : keys.names) key += (key.empty() ? "" : ", ") + quote_identifier(name);
  std::string sql = fmt::format("SELECT {} FROM {} FINAL WHERE _deleted = 0 AND {} IN (", columns,
                                table.target(), keys.names.size() == 1 ? key : "(" + key + ")");
  size_t end = std::min(keys.rows(), begin + limits::image_keys_max);
  // Half of what the server parses: the last key may be the longest.
  for (bool first = true; begin < end && sql.size() < limits::image_query_bytes_max / 2; first = false) {
    if (!first) sql += ", ";
    sql += key_literal(keys, begin++);
  }
  return sql + ")";
}

}  // namespace

std::string key_literal(const Block& keys, size_t row) {
  if (keys.columns.size() == 1) return literal(keys.columns.front(), row);
  std::string text = "(";
  for (const auto& column : keys.columns) text += (text.size() == 1 ? "" : ", ") + literal(column, row);
  return text + ")";
}

Result<bool> part_is_in(clickhouse::ClientPool& pool, const Part& part, const clickhouse::RetryPolicy& policy,
                        const std::atomic<bool>& stop) {
  std::vector<size_t> rows(part.rows.rows());
  std::iota(rows.begin(), rows.end(), size_t{0});
  return rows_are_in(pool, part, rows, policy, stop);
}

Result<bool> rows_are_in(clickhouse::ClientPool& pool, const Part& part, const std::vector<size_t>& rows,
                         const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  const CapturedTable& table = *part.table;
  const Column& versions = *part.rows.find(bookkeeping::version);
  std::string condition;
  Block keys;
  for (size_t column : table.source.key)
    keys.add(table.source.columns[column].name, table.source.columns[column].target);
  for (size_t index = rows.size() - std::min(rows.size(), limits::part_probe_rows); index < rows.size();
       ++index) {
    size_t row = rows[index];
    if (!condition.empty()) condition += " OR ";
    if (table.log) {
      condition += fmt::format("_version = toUInt128('{}')", versions.get<Version>(row));
      continue;
    }
    keys.clear();
    for (size_t column = 0; column < table.source.key.size(); ++column)
      keys.columns[column].append_from(part.rows.columns[table.source.key[column]], row);
    std::string names = clickhouse::quote_list(table.key_names());
    // A later row of the key may have taken this one's place.
    condition += fmt::format("({} IN ({}) AND _version >= toUInt128('{}'))",
                             keys.columns.size() == 1 ? names : "(" + names + ")", key_literal(keys, 0),
                             versions.get<Version>(row));
  }
  if (condition.empty()) return false;
  std::string sql = fmt::format("SELECT 1 FROM {} WHERE {} LIMIT 1", table.target(), condition);
  bool found = false;
  TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
    Block answer = TRY(pool.lease()->query(sql));
    found = answer.rows() > 0;
    return {};
  }));
  return found;
}

ImageReader bronze_images(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy,
                          const std::atomic<bool>& stop) {
  return [&pool, policy = std::move(policy), &stop](const CapturedTable& table,
                                                    const Block& keys) -> Result<Block> {
    Block images;
    for (const auto& column : table.source.columns) images.add(column.name, column.target);
    clickhouse::QueryOptions options;
    // The list of keys is part of the text; the parser keeps it as one literal.
    options.settings = {{"max_query_size", std::to_string(limits::image_query_bytes_max)},
                        {"max_ast_elements", "10000000"},
                        {"max_expanded_ast_elements", "10000000"},
                        {"max_threads", "2"},
                        {"max_block_size", "8192"}};
    options.timeout = policy.attempt_timeout;
    for (size_t begin = 0; begin < keys.rows();) {
      std::string sql = select_by_keys(table, keys, begin);
      Block found;
      TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
        found = TRY(pool.lease()->query(sql, options));
        return {};
      }));
      for (size_t column = 0; column < images.columns.size(); ++column)
        for (size_t row = 0; row < found.rows(); ++row)
          images.columns[column].append_from(found.columns[column], row);
    }
    return images;
  };
}

}  // namespace tidemark::ingest
