#include "ingest/source_images.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/held_rows.h"
#include "postgres/calendar.h"
#include "postgres/catalog.h"
#include "postgres/copy_reader.h"
#include "postgres/key_pages.h"

#include <set>

namespace tidemark::ingest {
namespace {

// Of one part: what is rare is not worth more, and the rest goes to quarantine as it would without.
constexpr size_t source_keys_max = 2'000;
constexpr size_t source_bytes_max = 32 << 20;

std::string date_text(int64_t days) {
  auto date = postgres::civil_from_days(days);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string time_text(int64_t micros) {
  int64_t days = micros / postgres::day_micros - (micros % postgres::day_micros < 0 ? 1 : 0);
  int64_t of_day = micros - days * postgres::day_micros;
  return fmt::format("{} {:02}:{:02}:{:02}.{:06}", date_text(days), of_day / 3'600'000'000,
                     of_day / 60'000'000 % 60, of_day / 1'000'000 % 60, of_day % 1'000'000);
}

std::string hex_text(std::string_view bytes) {
  std::string text;
  for (char byte : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// A value of a key as Postgres reads it; nothing: not of this type.
std::optional<std::string> source_text(const postgres::SourceColumn& described, const Column& column,
                                       size_t row) {
  switch (column.type().kind) {
    case TypeKind::boolean:
      return column.get<uint8_t>(row) != 0 ? "true" : "false";
    case TypeKind::int16:
      return std::to_string(column.get<int16_t>(row));
    case TypeKind::int32:
      return std::to_string(column.get<int32_t>(row));
    case TypeKind::int64:
      return std::to_string(column.get<int64_t>(row));
    case TypeKind::uint32:
      return std::to_string(column.get<uint32_t>(row));
    case TypeKind::uuid: {
      auto halves = column.get<std::array<uint64_t, 2>>(row);
      return fmt::format("{:016x}{:016x}", halves[0], halves[1]);
    }
    case TypeKind::decimal: {
      __int128 value = 0;
      switch (column.type().width()) {
        case 4:
          value = column.get<int32_t>(row);
          break;
        case 8:
          value = column.get<int64_t>(row);
          break;
        case 16:
          value = column.get<__int128>(row);
          break;
        default:
          return std::nullopt;
      }
      return fmt::format("{}e-{}", value, column.type().scale);
    }
    case TypeKind::date32:
      return date_text(column.get<int32_t>(row));
    case TypeKind::datetime64:
      if (column.type().scale != 6) return std::nullopt;
      return time_text(column.get<int64_t>(row)) +
             (described.wire == postgres::WireType::timestamptz ? "+00" : "");
    case TypeKind::string:
      if (described.wire == postgres::WireType::bytea) return "\\x" + hex_text(column.text(row));
      return std::string(column.text(row));
    default:
      return std::nullopt;
  }
}

// "(a, b) IN ((...), ...)" for the first of the keys; empty: none of them can be written.
std::string condition_for(const postgres::SourceTable& table, const Block& keys) {
  std::string names;
  for (size_t column : table.key)
    names += (names.empty() ? "" : ", ") + postgres::quote_identifier(table.columns[column].name);
  std::string list;
  for (size_t row = 0; row < std::min(keys.rows(), source_keys_max); ++row) {
    std::string values;
    for (size_t index = 0; index < table.key.size(); ++index) {
      const auto& described = table.columns[table.key[index]];
      auto text = source_text(described, keys.columns[index], row);
      if (!text) return {};
      values += (index == 0 ? "" : ", ") + postgres::typed_literal(described, *text);
    }
    list += fmt::format("{}({})", list.empty() ? "" : ", ", values);
  }
  return fmt::format("({}) IN ({})", names, list);
}

// `unfit`: some of them do not fit, and are not found.
Status read_rows(const postgres::ConnectionOptions& options, const postgres::SourceTable& table,
                 const std::string& condition, Block& found, postgres::Lsn& watermark, bool& unfit) {
  auto connection = TRY(postgres::Connection::open(options));
  TRY_VOID(connection.execute("SET statement_timeout = '60s'"));
  postgres::TableDecoder decoder(table);
  // A row that does not fit is in quarantine for good reason.
  postgres::CopyBinaryReader reader([&](const auto&) { unfit = true; });
  TRY(connection.copy_out(postgres::copy_statement(table, condition), [&](std::string_view piece) -> Status {
    if (found.bytes() > source_bytes_max) return {};
    TRY(reader.feed(piece.data(), piece.size(), decoder, found));
    return {};
  }));
  watermark = TRY(postgres::read_identity(connection)).position;
  return {};
}

// Keys [begin, end), and what ended.
Status read_or_ended(const postgres::ConnectionOptions& options, const CapturedTable& table,
                     const Block& keys, size_t begin, size_t end, Block& found) {
  Block some;
  for (size_t column = 0; column < keys.columns.size(); ++column) {
    some.add(keys.names[column], keys.columns[column].type());
    for (size_t row = begin; row < end; ++row) some.columns.back().append_from(keys.columns[column], row);
  }
  std::string condition = condition_for(table.source, some);
  if (condition.empty()) return {};
  Block there;
  postgres::TableDecoder(table.source).add_columns(there);
  postgres::Lsn watermark = 0;
  bool unfit = false;
  Status read = read_rows(options, table.source, condition, there, watermark, unfit);
  if (!read && read.error().kind == ErrorKind::dependency_down) return read;
  if (!read) {
    log::warn("{}: large values that updates leave out cannot be read from Postgres: {}", table.display(),
              read.error().describe());
    return {};
  }
  if (there.bytes() > source_bytes_max && end - begin > 1) {  // some of it was not taken
    size_t middle = begin + (end - begin) / 2;
    TRY_VOID(read_or_ended(options, table, keys, begin, middle, found));
    return read_or_ended(options, table, keys, middle, end, found);
  }
  std::set<std::string> known;
  for (size_t row = 0; row < there.rows(); ++row) {
    std::string key;
    for (size_t column : table.source.key) there.columns[column].encode(row, key);
    known.insert(std::move(key));
    for (size_t column = 0; column < there.columns.size(); ++column)
      found.columns[column].append_from(there.columns[column], row);
  }
  // Which of them does not fit is not known: then nobody has ended.
  for (size_t row = begin; row < end && !unfit; ++row) {
    std::string key;
    for (const auto& column : keys.columns) column.encode(row, key);
    if (known.contains(key)) continue;
    for (size_t column = 0; column < found.columns.size(); ++column) {
      int position = table.source.columns[column].key_position;
      if (position < 0)
        found.columns[column].append_default();
      else
        found.columns[column].append_from(keys.columns[static_cast<size_t>(position)], row);
    }
  }
  return {};
}

}  // namespace

ImageReader source_images_or_ended(postgres::ConnectionOptions connection) {
  return
      [connection = std::move(connection)](const CapturedTable& table, const Block& keys) -> Result<Block> {
        Block found;
        postgres::TableDecoder(table.source).add_columns(found);
        for (size_t begin = 0; begin < keys.rows(); begin += source_keys_max)
          TRY_VOID(read_or_ended(connection, table, keys, begin,
                                 std::min(begin + source_keys_max, keys.rows()), found));
        return found;
      };
}

ImageReader source_images(postgres::ConnectionOptions connection) {
  return [connection = std::move(connection)](const CapturedTable& table,
                                              const Block& keys) -> Result<Block> {
    Block found;
    postgres::TableDecoder(table.source).add_columns(found);
    std::string condition = condition_for(table.source, keys);
    if (condition.empty()) return found;
    postgres::Lsn watermark = 0;
    bool unfit = false;
    Status read = read_rows(connection, table.source, condition, found, watermark, unfit);
    if (!read && read.error().kind == ErrorKind::dependency_down) return fail(std::move(read.error()));
    if (!read) {
      found.clear();
      log::warn("{}: large values that updates leave out cannot be read from Postgres: {}", table.display(),
                read.error().describe());
    } else {
      log::info("{}: {} of {} rows whose updates leave out large values were read from Postgres, as of {}",
                table.display(), found.rows(), keys.rows(), postgres::format_lsn(watermark));
    }
    return found;
  };
}

Result<Block> read_once(clickhouse::ClientPool& pool, const ImageReader& source, const CapturedTable& table,
                        const Block& keys, const std::string& token, bool again,
                        const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop) {
  if (again)
    if (auto held = TRY(held_rows(pool, token, policy, stop))) return std::move(*held);
  Block found = TRY(source(table, keys));
  TRY_VOID(hold_rows(pool, found, token, policy, stop));
  return found;
}

}  // namespace tidemark::ingest
