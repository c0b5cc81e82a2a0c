#include "ingest/file_load.h"

#include "base/clock.h"
#include "clickhouse/retry.h"
#include "clickhouse/schema.h"
#include "ingest/airbyte_record.h"
#include "ingest/applier.h"
#include "ingest/file_bytes.h"
#include "ingest/json_walk.h"
#include "ingest/load_limits.h"
#include "ingest/posted_rows.h"
#include "ingest/state_store.h"
#include "kafka/debezium_value.h"

#include <fmt/format.h>
#include <optional>
#include <set>

namespace tidemark::ingest {
namespace {

using clickhouse::quote_table;

constexpr const char* loads_table =
    "CREATE TABLE IF NOT EXISTS tidemark.loads (file_hash String, into String, options String, file String, "
    "records UInt64, rows UInt64, quarantined UInt64, done UInt8, at DateTime64(6, 'UTC') DEFAULT now64(6)) "
    "ENGINE = ReplacingMergeTree(records) ORDER BY (file_hash, into, options) SETTINGS fsync_after_insert = "
    "1, fsync_part_directory = 1";

// The names of an object's fields; of what is none: no names.
std::set<std::string> fields_of(std::string_view json) {
  std::set<std::string> names;
  PaddedCopy padded;
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser.iterate(padded.set(json)).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS)
    return names;
  for (auto result : object) {
    simdjson::ondemand::field field;
    std::string_view name;
    if (std::move(result).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS)
      break;
    names.emplace(name);
  }
  return names;
}

// What is read of a record, on its way into INSERTs.
class RecordSink {
 public:
  RecordSink(const LoadRequest& request, std::string hash, clickhouse::ClientPool& pool,
             const std::atomic<bool>& stop)
      : request_(request),
        table_(*request.table),
        hash_(std::move(hash)),
        pool_(pool),
        stop_(stop),
        state_(pool, apply_policy("load"), stop) {}

  Status open() {
    TRY_VOID(state_.prepare());
    TRY_VOID(pool_.execute(loads_table));
    TRY_VOID(check_columns());
    clickhouse::QueryOptions options;
    options.parameters = {{"hash", hash_}, {"into", table_.full_name()}, {"options", options_text()}};
    Block known = TRY(pool_.query(
        "SELECT records, rows, quarantined, done FROM tidemark.loads FINAL WHERE file_hash = {hash:String} "
        "AND into = {into:String} AND options = {options:String}",
        options));
    if (known.rows() == 0 || request_.again) return {};
    records_ = result_.resumed_at = known.columns[0].get<uint64_t>(0);
    result_.rows = known.columns[1].get<uint64_t>(0);
    result_.quarantined = known.columns[2].get<uint64_t>(0);
    result_.was_done = known.columns[3].get<uint8_t>(0) != 0;
    return {};
  }

  Status take(const FileRecord& record) {
    if (stop_) return fail(ErrorKind::cancelled, "stopped", "The same command goes on where this one ended.");
    if (record.number < result_.resumed_at) return {};
    records_ = record.number + 1;
    if (record.json.empty()) return refuse(record, "", record.reason);
    // Nobody looks at it again.
    if (!request_.document_column.empty() && !is_json_object(record.json))
      return refuse(record, request_.document_column, "it is no JSON object");
    compose(record);
    if (!decoder_) TRY_VOID(make_decoder());
    const auto& decoded = decoder_->decode({.value = text_}, rows_);
    if (decoded.kind != kafka::Decoded::Kind::rows)
      return refuse(record, decoded.column,
                    decoded.kind == kafka::Decoded::Kind::refused ? decoded.reason : "it is no row");
    bytes_ += text_.size();
    if (rows_.rows() < limits::load_block_records && bytes_ < limits::load_block_bytes) return {};
    return flush(false);
  }

  Status finish() { return flush(true); }
  const LoadResult& result() const { return result_; }

 private:
  Status check_columns() {
    if (table_.key.empty())
      return fail(
          ErrorKind::config,
          fmt::format("{} has no key, so a row that is loaded twice would count twice", table_.full_name()),
          "Declare a `key` in its source's file; --id <column> fills one from file and record.");
    std::set<std::string> given;
    for (const auto& [name, value] : request_.constants) given.insert(name);
    for (const auto& name : {request_.document_column, request_.identity_column})
      if (!name.empty() && !given.insert(name).second)
        return fail(ErrorKind::usage, fmt::format("the column {} is given twice", name));
    for (const auto& name : given)
      if (std::none_of(table_.columns.begin(), table_.columns.end(),
                       [&](const auto& column) { return column.first == name; }))
        return fail(ErrorKind::usage, fmt::format("{} has no column {}", table_.full_name(), name));
    return {};
  }

  // Which records a load reads, and what it makes of them.
  std::string options_text() const {
    std::string text =
        fmt::format("{}|{}|{}|{}", static_cast<int>(request_.records.format), request_.document_column,
                    request_.identity_column, request_.ignore_unknown_fields ? 1 : 0);
    for (const auto& null : request_.records.nulls) text += "|null " + null;
    for (const auto& [name, value] : request_.constants) text += fmt::format("|{}={}", name, value);
    return text;
  }

  // The record with what the command adds to it.
  void compose(const FileRecord& record) {
    text_ = "{";
    auto add = [&](const std::string& name, std::string_view value) {
      if (text_.size() > 1) text_.push_back(',');
      kafka::append_json_string(name, text_);
      text_.push_back(':');
      kafka::append_json_string(value, text_);
    };
    for (const auto& [name, value] : request_.constants) add(name, value);
    if (!request_.identity_column.empty())
      add(request_.identity_column, fmt::format("{}-{}", hash_, record.number));
    if (!request_.document_column.empty()) {
      add(request_.document_column, airbyte_.unwrap(record.json));
      text_.push_back('}');
      return;
    }
    std::string_view rest = record.json.substr(1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
    if (text_.size() > 1 && !rest.starts_with('}')) text_.push_back(',');
    text_ += rest;
  }

  // Columns with a default are left to it when the first record does not speak of them.
  Status make_decoder() {
    config::PostedTable taken{.table = table_.table, .columns = {}, .key = table_.key, .where = {}};
    std::set<std::string> spoken_of = fields_of(text_);
    for (const auto& column : table_.columns)
      if (!table_.defaults.contains(column.first) || spoken_of.contains(column.first))
        taken.columns.push_back(column);
    decoder_.emplace(posted_shape(taken),
                     kafka::DecoderOptions{.format = kafka::Format::json,
                                           .ignore_unknown_fields = request_.ignore_unknown_fields});
    for (const auto& [name, type] : taken.columns) rows_.add(name, type);
    return {};
  }

  Status refuse(const FileRecord& record, std::string_view column, std::string_view reason) {
    ++refused_count_;
    refused_.push_back({.source = table_.source,
                        .table = table_.mirrored_name(),
                        .column = std::string(column),
                        .reason = fmt::format("{}, record {}: {}", request_.file.filename().string(),
                                              record.number + 1, reason),
                        .bytes = std::string(record.bytes.substr(0, limits::load_quarantine_bytes_max)),
                        .lsn = std::stoull(hash_.substr(0, 16), nullptr, 16),
                        .ordinal = record.number});
    refused_bytes_ += refused_.back().bytes.size();
    return refused_.size() < limits::load_block_records && refused_bytes_ < limits::load_block_bytes
               ? Status()
               : flush(false);
  }

  Status flush(bool done) {
    TRY_VOID(state_.quarantine(refused_));
    if (rows_.rows() > 0) {
      clickhouse::QueryOptions options;
      options.settings = {{"async_insert", "0"}, {"max_threads", "1"}};
      options.timeout = std::chrono::minutes(5);
      TRY_VOID(clickhouse::retry(apply_policy("load"), stop_, [&] {
        return pool_.lease()->insert(quote_table(table_.database, table_.table), rows_, options);
      }));
    }
    result_.rows += rows_.rows();
    result_.quarantined += refused_count_;
    size_t sent = rows_.rows();
    for (auto& column : rows_.columns) column.drop_last(sent);
    refused_.clear();
    refused_bytes_ = refused_count_ = bytes_ = 0;
    return remember(done);
  }

  Status remember(bool done) {
    Block block;
    for (const char* name : {"file_hash", "into", "options", "file"})
      block.add(name, ColumnType::of(TypeKind::string));
    for (const char* name : {"records", "rows", "quarantined"})
      block.add(name, ColumnType::of(TypeKind::uint64));
    block.add("done", ColumnType::of(TypeKind::uint8));
    const std::string texts[] = {hash_, table_.full_name(), options_text(),
                                 request_.file.filename().string()};
    size_t column = 0;
    for (const auto& text : texts) block.columns[column++].append_text(text);
    for (uint64_t number : {records_, result_.rows, result_.quarantined})
      block.columns[column++].append<uint64_t>(number);
    block.columns[column].append<uint8_t>(done ? 1 : 0);
    clickhouse::QueryOptions options;
    options.settings = {{"async_insert", "0"}};
    return clickhouse::retry(apply_policy("load"), stop_,
                             [&] { return pool_.lease()->insert("tidemark.loads", block, options); });
  }

  const LoadRequest& request_;
  const config::InsertTable& table_;
  const std::string hash_;
  clickhouse::ClientPool& pool_;
  const std::atomic<bool>& stop_;
  StateStore state_;
  std::optional<kafka::MessageDecoder> decoder_;
  AirbyteRecord airbyte_;
  std::string text_;
  Block rows_;
  size_t bytes_ = 0;
  std::vector<QuarantinedRow> refused_;
  size_t refused_bytes_ = 0;
  uint64_t refused_count_ = 0;
  uint64_t records_ = 0;
  LoadResult result_;
};

Status read_parquet(const LoadRequest& request, clickhouse::ClientPool& pool, RecordSplitter& splitter) {
  if (!request.server_reads_files)
    return fail(
        ErrorKind::unsupported,
        "Parquet is read by the embedded ClickHouse, and this project has a server of its own",
        "Write it as lines first: clickhouse local -q \"SELECT * FROM file('x.parquet')\" > x.ndjson");
  std::error_code ignored;
  std::string path = std::filesystem::absolute(request.file, ignored).string();
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::hours(12);
  // The same rows in the same order each time, digits as they are.
  options.settings = {{"max_threads", "1"},
                      {"input_format_parquet_preserve_order", "1"},
                      {"output_format_json_quote_64bit_integers", "0"},
                      {"output_format_json_quote_decimals", "1"},
                      {"output_format_json_escape_forward_slashes", "0"},
                      {"output_format_json_quote_denormals", "0"},
                      {"date_time_output_format", "iso"}};
  return pool.lease()->stream_text(
      fmt::format("SELECT * FROM file({}, 'Parquet') FORMAT JSONEachRow", clickhouse::quote_string(path)),
      options, [&](std::string_view piece) { return splitter.put(piece); });
}

}  // namespace

Result<LoadResult> FileLoad::run(const LoadRequest& request, const std::function<void(uint64_t)>& progress) {
  std::string hash = TRY(file_identity(request.file));
  RecordSink sink(request, hash, pool_, stop_);
  TRY_VOID(sink.open());
  if (sink.result().was_done) return sink.result();
  auto splitter =
      RecordSplitter::make(request.records, [&](const FileRecord& record) { return sink.take(record); });
  Status read =
      request.records.format == FileFormat::parquet
          ? read_parquet(request, pool_, *splitter)
          : each_piece(
                request.file, [&](std::string_view piece) { return splitter->put(piece); }, progress);
  if (read) read = splitter->finish();
  if (!read) return fail(std::move(read.error()).in(request.file.string()));
  TRY_VOID(sink.finish());
  return sink.result();
}

}  // namespace tidemark::ingest
