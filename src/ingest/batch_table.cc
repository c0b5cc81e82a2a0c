#include "ingest/batch_table.h"

#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/batch_limits.h"
#include "ingest/image_reader.h"
#include "postgres/copy_reader.h"

#define XXH_INLINE_ALL
#include <unordered_map>
#include <xxhash.h>

namespace tidemark::ingest {
namespace {

using postgres::WireType;

bool is_time(WireType wire) {
  return wire == WireType::timestamp || wire == WireType::timestamptz || wire == WireType::date;
}
bool is_integer(WireType wire) {
  return wire == WireType::int2 || wire == WireType::int4 || wire == WireType::int8;
}

// Seconds of "90s", "1m", "2h", "1d", "1w".
std::optional<int64_t> seconds_of(const std::string& text) {
  if (text.size() < 2) return std::nullopt;
  int64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3'600;
      break;
    case 'd':
      unit = 86'400;
      break;
    case 'w':
      unit = 604'800;
      break;
    default:
      return std::nullopt;
  }
  return std::strtoll(text.c_str(), nullptr, 10) * unit;
}

// Where a walk begins that has to read `overlap` again.
std::string place_before(const postgres::SourceColumn& column, const std::string& from,
                         const std::string& overlap) {
  std::string place = postgres::typed_literal(column, from);
  if (is_time(column.wire)) {
    int64_t seconds = limits::batch_overlap_seconds;
    if (!overlap.empty()) seconds = std::max(*seconds_of(overlap), limits::batch_overlap_seconds_min);
    return fmt::format("({} - interval '{} seconds')::{}", place, seconds, column.type_name);
  }
  if (overlap.empty()) return place;
  if (!is_integer(column.wire)) return fmt::format("({} - {})", place, overlap);
  // A subtraction in the server could leave the type.
  __int128 value = std::strtoll(from.c_str(), nullptr, 10);
  value -= std::strtoll(overlap.c_str(), nullptr, 10);
  value = std::max(value, static_cast<__int128>(INT64_MIN));
  return fmt::format("'{}'::pg_catalog.int8", static_cast<int64_t>(value));
}

std::string names_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Status check_overlap(const BatchTable& table) {
  if (table.overlap.empty() || table.cursor.empty()) return {};
  const auto& column = table.captured.source.columns[table.cursor.front()];
  bool duration = seconds_of(table.overlap).has_value();
  bool number = is_integer(column.wire) || column.wire == WireType::numeric;
  if (is_time(column.wire) ? duration : number && !duration) return {};
  return fail(ErrorKind::config,
              fmt::format("overlap `{}` does not go with cursor {} of {}, which is {}", table.overlap,
                          column.name, table.captured.source.display(), column.type_name),
              is_time(column.wire) ? "write a duration: overlap: 1m"
              : number             ? "write a number: overlap: 1000"
                                   : "leave it out: only times and numbers have an overlap");
}

// A table without a primary key can be told one.
Status take_key(postgres::SourceTable& table, const std::vector<std::string>& names) {
  if (!names.empty()) {
    for (auto& column : table.columns) column.key_position = -1;
    table.key.clear();
    for (const auto& name : names) {
      auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                [&](const auto& column) { return column.name == name; });
      if (found == table.columns.end())
        return fail(ErrorKind::config,
                    fmt::format("key of {}: there is no column {}", table.display(), name));
      if (!found->not_null)
        return fail(ErrorKind::config, fmt::format("key of {}: column {} may be NULL", table.display(), name),
                    "a key is made of columns that are NOT NULL and together unique");
      found->key_position = static_cast<int>(table.key.size());
      table.key.push_back(static_cast<size_t>(found - table.columns.begin()));
    }
  }
  if (table.key.empty())
    return fail(ErrorKind::config,
                fmt::format("table {} has no primary key, so its rows cannot be told apart", table.display()),
                fmt::format("name unique columns in the source's file: {{ table: {}, key: [...] }}; or add a "
                            "primary key; or use mode: cdc",
                            table.display()));
  return {};
}

Result<Block> logged_keys(clickhouse::ClientPool& pool, const CapturedTable& table, const Block& keys,
                          const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  Block found;
  for (size_t column : table.source.key)
    found.add(table.source.columns[column].name, table.source.columns[column].target);
  std::string names = clickhouse::quote_list(table.key_names());
  clickhouse::QueryOptions options;
  options.settings = {{"max_query_size", std::to_string(limits::image_query_bytes_max)},
                      {"max_ast_elements", "10000000"},
                      {"max_expanded_ast_elements", "10000000"}};
  options.timeout = policy.attempt_timeout;
  for (size_t begin = 0; begin < keys.rows();) {
    std::string sql = fmt::format("SELECT {} FROM {} WHERE {} IN (", names, table.target(),
                                  keys.columns.size() == 1 ? names : "(" + names + ")");
    size_t end = std::min(keys.rows(), begin + limits::image_keys_max);
    for (bool first = true; begin < end && sql.size() < limits::image_query_bytes_max / 2; first = false)
      sql += (first ? "" : ", ") + key_literal(keys, begin++);
    Block some;
    TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
      some = TRY(pool.lease()->query(sql + ")", options));
      return {};
    }));
    for (size_t column = 0; column < found.columns.size(); ++column)
      for (size_t row = 0; row < some.rows(); ++row)
        found.columns[column].append_from(some.columns[column], row);
  }
  return found;
}

// The images of keys that lie close together - a bulk of rows that was written at once, and is read again as
// long as its cursor value is the newest - as one range: ten times as fast as a list of keys. Nothing when
// they do not.
Result<std::optional<Block>> images_of_range(clickhouse::ClientPool& pool, const CapturedTable& table,
                                             const Block& keys, const clickhouse::RetryPolicy& policy,
                                             const std::atomic<bool>& stop) {
  if (keys.columns.size() != 1) return std::nullopt;
  const Column& key = keys.columns.front();
  auto value = [&](size_t row) -> int64_t {
    return key.type().kind == TypeKind::int64 ? key.get<int64_t>(row) : key.get<int32_t>(row);
  };
  if (key.type().nullable || (key.type().kind != TypeKind::int64 && key.type().kind != TypeKind::int32))
    return std::nullopt;
  int64_t least = value(0);
  int64_t most = value(0);
  for (size_t row = 1; row < keys.rows(); ++row) {
    least = std::min(least, value(row));
    most = std::max(most, value(row));
  }
  // At most this many rows are in the range, so the answer is bounded, too.
  auto width = static_cast<__int128>(most) - least + 1;
  if (width > static_cast<__int128>(keys.rows()) * 2) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& column : table.source.columns) names.push_back(column.name);
  std::string name = clickhouse::quote_identifier(keys.names.front());
  clickhouse::QueryOptions options;
  options.timeout = policy.attempt_timeout;
  Block images;
  TRY_VOID(clickhouse::retry(policy, stop, [&]() -> Status {
    images = TRY(pool.lease()->query(
        fmt::format("SELECT {} FROM {} FINAL WHERE _deleted = 0 AND {} >= {} AND {} <= {}",
                    clickhouse::quote_list(names), table.target(), name, least, name, most),
        options));
    return {};
  }));
  return images;
}

}  // namespace

std::string BatchTable::walk_name() const {
  std::vector<std::string> names;
  for (size_t column : cursor) names.push_back(captured.source.columns[column].name);
  return names_of(names);
}

postgres::KeyWalk BatchTable::by_key() const {
  return {.table = &captured.source, .columns = captured.source.key};
}

postgres::KeyWalk BatchTable::by_cursor(const std::optional<std::string>& from) const {
  postgres::KeyWalk walk{.table = &captured.source, .columns = cursor};
  for (size_t column : captured.source.key)
    if (std::find(cursor.begin(), cursor.end(), column) == cursor.end()) walk.columns.push_back(column);
  const auto& first = captured.source.columns[cursor.front()];
  std::string name = postgres::quote_identifier(first.name);
  if (from)
    walk.condition = fmt::format("{} >= {}", name, place_before(first, *from, overlap));
  else if (!first.not_null)
    walk.condition = name + " IS NOT NULL";
  return walk;
}

std::optional<postgres::KeyWalk> BatchTable::without_cursor() const {
  const auto& first = captured.source.columns[cursor.front()];
  if (first.not_null) return std::nullopt;
  auto walk = by_key();
  walk.condition = postgres::quote_identifier(first.name) + " IS NULL";
  return walk;
}

std::string BatchTable::newest_cursor_sql() const {
  const auto& first = captured.source.columns[cursor.front()];
  std::string name = postgres::quote_identifier(first.name);
  std::string now = "pg_catalog.clock_timestamp()";
  std::string value = name;
  // A timestamp without zone may be the local time of any session: fourteen hours before UTC at most.
  std::string latest = fmt::format("({} AT TIME ZONE 'UTC' + interval '14 hours')", now);
  if (first.wire == WireType::timestamptz) value = fmt::format("least({}, {})", name, now);
  if (first.wire == WireType::timestamp) value = fmt::format("least({}, {})", name, latest);
  if (first.wire == WireType::date) value = fmt::format("least({}, {}::date)", name, latest);
  return fmt::format("SELECT {} FROM {}{} WHERE {} IS NOT NULL ORDER BY {} DESC LIMIT 1", value,
                     captured.source.kind == 'p' ? "" : "ONLY ", captured.source.quoted(), name, name);
}

Result<BatchTable> batch_table(postgres::SourceTable table, const config::PostgresSource& source,
                               bool has_changes) {
  config::TableOptions options;
  for (const auto& option : source.options)
    if (option.table == table.name || option.table == table.schema + "." + table.name) options = option;
  if (!options.columns.empty() || !options.exclude.empty() || !options.order_by.empty() ||
      !options.row_filter.empty())
    return fail(ErrorKind::unsupported,
                fmt::format("columns, exclude, where and order_by of {} are not supported in `mode: batch`",
                            table.display()),
                "remove them from the table's options, or write `mode: cdc`");
  TRY_VOID(take_key(table, options.key));
  BatchTable result;
  const config::BatchOptions& own = options.batch;
  const config::BatchOptions& all = source.batch;
  result.every_micros =
      own.every_seconds.value_or(all.every_seconds.value_or(limits::batch_every_seconds)) * 1'000'000;
  result.deletes_every_micros = own.deletes_every_seconds.value_or(
                                    all.deletes_every_seconds.value_or(limits::batch_deletes_every_seconds)) *
                                1'000'000;
  result.compare_rows = own.compare_rows.value_or(all.compare_rows.value_or(false));
  result.deletes = !options.append_only;
  // A table that does not have the source's cursor has none; one that does not have its own is a mistake.
  std::vector<std::string> names = own.cursor.value_or(all.cursor.value_or(std::vector<std::string>()));
  for (const auto& name : names) {
    auto found = std::find_if(table.columns.begin(), table.columns.end(),
                              [&](const auto& column) { return column.name == name; });
    if (found == table.columns.end()) {
      if (!own.cursor) {
        result.cursor.clear();
        break;
      }
      return fail(ErrorKind::config,
                  fmt::format("cursor of {}: there is no column {}", table.display(), name));
    }
    if (!result.cursor.empty() && !found->not_null)
      return fail(ErrorKind::config,
                  fmt::format("cursor of {}: column {} may be NULL, which only the first may",
                              table.display(), name));
    result.cursor.push_back(static_cast<size_t>(found - table.columns.begin()));
  }
  if (!result.cursor.empty()) result.overlap = own.overlap.value_or(all.overlap.value_or(""));
  result.captured = capture(std::move(table), options.append_only, has_changes);
  // The source's overlap is for the tables it fits.
  if (auto fits = check_overlap(result); !fits) {
    if (own.overlap || own.cursor) return fail(std::move(fits.error()));
    result.overlap.clear();
  }
  if (result.captured.log && result.cursor.empty())
    return fail(ErrorKind::config,
                fmt::format("table {} is append_only and has no cursor", result.captured.source.display()),
                "name the column that grows with each new row: cursor: id");
  return result;
}

QuarantinedRow refused_row(const std::string& source_name, const CapturedTable& table,
                           const std::string& column, const std::string& reason, std::string_view raw) {
  return {.source = source_name,
          .table = table.name,
          .column = column,
          .reason = reason,
          .bytes = std::string(raw),
          .lsn = 0,
          .ordinal = XXH3_64bits(raw.data(), raw.size())};
}

Result<bool> read_range(postgres::Connection& connection, const BatchTable& table,
                        const std::string& source_name, const std::string& condition, size_t bytes_max,
                        Block& rows, std::vector<QuarantinedRow>& refused, const std::atomic<bool>& stop) {
  const CapturedTable& captured = table.captured;
  postgres::TableDecoder decoder(captured.source);
  size_t refused_before = refused.size();
  postgres::CopyBinaryReader reader([&](const postgres::CopyBinaryReader::Failure& failure) {
    refused.push_back(refused_row(source_name, captured, captured.source.columns[failure.error.column].name,
                                  failure.explanation, failure.raw));
  });
  size_t received = 0;
  bool too_large = false;
  TRY_VOID(connection.execute("SAVEPOINT page"));
  auto copied = connection.copy_out(postgres::copy_statement(captured.source, condition),
                                    [&](std::string_view piece) -> Status {
                                      if (stop) return fail(ErrorKind::cancelled, "stopped");
                                      received += piece.size();
                                      // One row may have any size.
                                      too_large = received > bytes_max && reader.rows() > 0;
                                      if (too_large) return fail(ErrorKind::limit, "the page is too large");
                                      TRY(reader.feed(piece.data(), piece.size(), decoder, rows));
                                      return {};
                                    });
  if (!copied && !too_large) return fail(std::move(copied.error()));
  TRY_VOID(connection.execute(too_large ? "ROLLBACK TO SAVEPOINT page" : "RELEASE SAVEPOINT page"));
  if (too_large) {
    for (auto& column : rows.columns) column.drop_last(column.rows());
    refused.resize(refused_before);
    return false;
  }
  if (!reader.finished()) return fail(ErrorKind::corrupt, "COPY ended without its trailer");
  return true;
}

Result<std::unique_ptr<Part>> changed_rows(clickhouse::ClientPool& pool, const CapturedTable& table,
                                           Block rows, bool loading, const clickhouse::RetryPolicy& policy,
                                           const std::atomic<bool>& stop) {
  size_t count = rows.rows();
  if (count == 0) return nullptr;
  auto part = std::make_unique<Part>();
  part->table = &table;
  auto key_of = [](const Block& block, const std::vector<size_t>& columns, size_t row) {
    std::string key;
    for (size_t column : columns) block.columns[column].encode(row, key);
    return key;
  };
  Block images;
  std::unordered_map<std::string, size_t> known;
  if (!loading) {
    Block keys;
    for (size_t column : table.source.key) {
      keys.add(table.source.columns[column].name, table.source.columns[column].target);
      for (size_t row = 0; row < count; ++row) keys.columns.back().append_from(rows.columns[column], row);
    }
    std::vector<size_t> key_columns = table.source.key;
    if (table.log) {
      images = TRY(logged_keys(pool, table, keys, policy, stop));
      for (size_t index = 0; index < key_columns.size(); ++index) key_columns[index] = index;
    } else {
      auto range = TRY(images_of_range(pool, table, keys, policy, stop));
      images = range ? std::move(*range) : TRY(bronze_images(pool, policy, stop)(table, keys));
    }
    for (size_t row = 0; row < images.rows(); ++row) known[key_of(images, key_columns, row)] = row;
  }
  if (known.empty()) {
    part->rows = std::move(rows);
    part->operations.assign(count, Operation::insert);
    return part;
  }
  auto equal = [&](size_t row, size_t image) {
    std::string left, right;
    for (size_t column = 0; column < rows.columns.size(); ++column) {
      left.clear();
      right.clear();
      rows.columns[column].encode(row, left);
      images.columns[column].encode(image, right);
      if (left != right) return false;
    }
    return true;
  };
  for (const auto& column : table.source.columns) part->rows.add(column.name, column.target);
  for (size_t row = 0; row < count; ++row) {
    auto found = known.find(key_of(rows, table.source.key, row));
    // A log's rows never change.
    if (found != known.end() && (table.log || equal(row, found->second))) continue;
    for (size_t column = 0; column < rows.columns.size(); ++column)
      part->rows.columns[column].append_from(rows.columns[column], row);
    part->operations.push_back(found == known.end() ? Operation::insert : Operation::update);
    part->old_row_of.push_back(found == known.end() ? -1 : static_cast<int32_t>(found->second));
  }
  if (part->operations.empty()) return nullptr;
  part->old_rows = std::move(images);
  if (table.log) {
    part->old_rows = {};
    part->old_row_of.clear();
  }
  return part;
}

}  // namespace tidemark::ingest
