#include "ingest/kafka_publisher.h"

#include "base/invariant.h"
#include "base/log.h"
#include "ingest/capture_limits.h"
#include "kafka/encoded_text.h"

#include <fmt/format.h>

namespace tidemark::ingest {

using kafka::ChangeOrigin;
using kafka::DebeziumEncoder;

Encoders make_encoders(const std::vector<CapturedTable>& tables, const PublisherOptions& options) {
  Encoders encoders;
  for (const auto& table : tables) {
    postgres::SourceTable source = table.source;
    if (table.log) source.key.clear();
    encoders[&table] = std::make_unique<DebeziumEncoder>(
        source, kafka::EncoderOptions{
                    .prefix = options.prefix, .database = options.database, .schema = options.schema});
  }
  return encoders;
}

KafkaPublisher::KafkaPublisher(kafka::Producer& producer, const Encoders& encoders, PublisherOptions options,
                               PublishedPosition position, CutHandoff& handoff,
                               std::map<const CapturedTable*, TableCounters*> counters,
                               ApplierCounters& applied, const Clock& clock)
    : producer_(producer),
      encoders_(encoders),
      options_(std::move(options)),
      position_(std::move(position)),
      handoff_(handoff),
      tables_(std::move(counters)),
      counters_(applied),
      clock_(clock) {}

Status KafkaPublisher::run() {
  while (auto cut = handoff_.take()) {
    Status published = publish(*cut);
    if (published) continue;
    bool abandoned = handoff_.closed() && published.error().kind == ErrorKind::cancelled;
    cut->abort();
    handoff_.close();
    if (abandoned) return {};
    return published;
  }
  return {};
}

Status KafkaPublisher::refuse(const std::vector<QuarantinedRow>& rows) {
  std::lock_guard lock(mutex_);
  if (refused_.size() + rows.size() > limits::refused_rows_max)
    return fail(ErrorKind::limit,
                fmt::format("more than {} rows of one transaction are refused", limits::refused_rows_max),
                "the first of them is in the log; mend the table or leave it out of `tables`");
  refused_.insert(refused_.end(), rows.begin(), rows.end());
  return {};
}

Status KafkaPublisher::publish(Cut& cut) {
  events_.clear();
  counters_.in_doubt = true;
  TRY_VOID(producer_.begin());
  while (auto part = cut.pop()) {
    TRY_VOID(publish(*part));
    cut.sent(*part);
  }
  if (cut.aborted()) return fail(ErrorKind::cancelled, "the cut was abandoned");
  TRY_VOID(publish_ends(cut));
  TRY_VOID(publish_refused());
  CutRecord record = cut.record();
  position_.cut = record.cut;
  position_.end_lsn = record.end_lsn;
  if (record.committed_at > 0) position_.committed_at = record.committed_at;
  TRY_VOID(producer_.send({.topic = position_topic(options_.prefix, position_.source),
                           .partition = 0,
                           .key = position_.source,
                           .value = position_.to_json()}));
  TRY_VOID(producer_.commit());

  int64_t now = clock_.wall_micros();
  for (const auto& transaction : cut.transactions())
    if (transaction.rows > 0)
      counters_.queryable_us.add(static_cast<uint64_t>(std::max<int64_t>(0, now - transaction.committed_at)));
  if (record.committed_at > 0) counters_.as_of_micros = record.committed_at;
  counters_.transactions += cut.transactions().size();
  counters_.rows += record.rows;
  counters_.queryable_lsn = record.end_lsn;
  counters_.fenced_lsn = record.end_lsn;
  counters_.cut = record.cut;
  counters_.in_doubt = false;
  handoff_.done();
  handoff_.settled();
  return {};
}

void KafkaPublisher::count(const Part& part, ChangeOrigin& origin) {
  auto& tables = events_[origin.commit_lsn];
  auto found = std::find_if(tables.begin(), tables.end(),
                            [&](const auto& entry) { return entry.first == part.table; });
  if (found == tables.end()) found = tables.insert(tables.end(), {part.table, 0});
  origin.collection_order = ++found->second;
}

ChangeOrigin KafkaPublisher::origin_of(const Part& part, Version version, size_t index,
                                       size_t transaction) const {
  return {.lsn = part.places[index].lsn,
          .commit_lsn = version_lsn(version),
          .previous_lsn = part.transactions[transaction].previous_lsn,
          .transaction = part.transactions[transaction].id,
          .total_order = part.places[index].order};
}

Status KafkaPublisher::publish(const Part& part) {
  const DebeziumEncoder& encoder = *encoders_.at(part.table);
  TableCounters& counters = *tables_.at(part.table);
  INVARIANT(!part.transactions.empty());
  int64_t now = clock_.wall_micros();
  if (part.truncate) {
    ChangeOrigin origin = origin_of(part, part.truncate_version, 0, 0);
    origin.committed_at = part.truncate_committed_at;
    origin.now = now;
    count(part, origin);
    value_.clear();
    encoder.envelope('t', {}, {}, origin, value_);
    ++counters.applied;
    return producer_.send({.topic = encoder.topic(), .value = value_});
  }
  INVARIANT(part.places.size() == part.operations.size());
  size_t width = part.table->source.columns.size();
  const Column& versions = part.rows.columns[width];
  const Column& commits = part.rows.columns[width + (part.table->log ? 1 : 2)];
  size_t transaction = 0;
  auto unchanged = part.unchanged.begin();
  std::vector<uint32_t> columns;
  for (size_t row = 0; row < part.operations.size(); ++row) {
    while (transaction + 1 < part.transactions.size() && part.transactions[transaction + 1].row <= row)
      ++transaction;
    columns.clear();
    for (; unchanged != part.unchanged.end() && unchanged->row == row; ++unchanged)
      columns.push_back(unchanged->column);
    ChangeOrigin origin = origin_of(part, versions.get<Version>(row), row, transaction);
    origin.committed_at = commits.get<int64_t>(row);
    origin.now = now;
    count(part, origin);
    TRY_VOID(publish_row(part, row, encoder, origin, columns));
  }
  counters.applied += part.operations.size();
  return {};
}

Status KafkaPublisher::publish_row(const Part& part, size_t row, const DebeziumEncoder& encoder,
                                   ChangeOrigin& origin, std::span<const uint32_t> unchanged) {
  size_t width = part.table->source.columns.size();
  const Column& versions = part.rows.columns[width];
  auto change = [&](size_t index) { return versions.get<Version>(index) >> 1; };  // old and new side are one
  DebeziumEncoder::Row here{.block = &part.rows, .row = row, .unchanged = unchanged};
  DebeziumEncoder::Row old;
  if (row < part.old_row_of.size() && part.old_row_of[row] >= 0)
    old = {.block = &part.old_rows, .row = static_cast<size_t>(part.old_row_of[row])};
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  value_.clear();
  key_.clear();
  std::optional<std::string_view> key;
  if (encoder.keyed()) {
    encoder.key(part.rows, row, key_);
    key = key_;
  }
  Operation operation = part.operations[row];
  if (operation == Operation::remove) {
    if (old.block == nullptr) old = {.block = &part.rows, .row = row, .key_only = true};
    encoder.envelope('d', old, {}, origin, value_);
    // The old side of a key change: the new row is next, in the same part.
    if (row + 1 < part.operations.size() && change(row + 1) == change(row)) {
      new_key_.clear();
      encoder.header_key(part.rows, row + 1, new_key_);
      headers.emplace_back("__debezium.newkey", new_key_);
    }
    TRY_VOID(producer_.send({.topic = encoder.topic(), .key = key, .value = value_, .headers = headers}));
    return producer_.send({.topic = encoder.topic(), .key = key, .headers = std::move(headers)});
  }
  if (operation == Operation::insert) {
    if (row > 0 && change(row - 1) == change(row)) {
      new_key_.clear();
      encoder.header_key(part.rows, row - 1, new_key_);
      headers.emplace_back("__debezium.oldkey", new_key_);
    }
    encoder.envelope('c', {}, here, origin, value_);
  } else {
    encoder.envelope('u', old, here, origin, value_);
  }
  return producer_.send(
      {.topic = encoder.topic(), .key = key, .value = value_, .headers = std::move(headers)});
}

Status KafkaPublisher::publish_ends(const Cut& cut) {
  std::string topic = options_.prefix + ".transaction";
  for (const auto& transaction : cut.transactions()) {
    auto found = events_.find(transaction.commit_lsn);
    if (found == events_.end()) continue;
    std::string id = kafka::transaction_id(transaction.id, transaction.commit_lsn);
    std::string key = kafka::transaction_key(id, options_.schema);
    kafka::TransactionCounts counts;
    for (const auto& [table, events] : found->second) {
      counts.events += events;
      counts.collections.emplace_back(encoders_.at(table)->collection(), events);
    }
    for (const kafka::TransactionCounts* which : {static_cast<kafka::TransactionCounts*>(nullptr), &counts}) {
      std::string value = kafka::transaction_marker(id, which, transaction.committed_at, options_.schema);
      TRY_VOID(producer_.send({.topic = topic, .partition = 0, .key = key, .value = value}));
    }
  }
  return {};
}

Status KafkaPublisher::publish_refused() {
  std::vector<QuarantinedRow> rows;
  {
    std::lock_guard lock(mutex_);
    rows.swap(refused_);
  }
  std::string topic = options_.prefix + ".tidemark_quarantine";
  for (const auto& row : rows) {
    std::string value = "{\"table\":";
    kafka::append_json_string(row.table, value);
    value += ",\"column\":";
    kafka::append_json_string(row.column, value);
    value += ",\"reason\":";
    kafka::append_json_string(row.reason, value);
    value += fmt::format(",\"lsn\":{},\"ordinal\":{},\"bytes\":\"", row.lsn, row.ordinal);
    kafka::encode_base64(row.bytes, false, value);
    value += "\"}";
    TRY_VOID(producer_.send({.topic = topic, .partition = 0, .key = row.table, .value = value}));
  }
  return {};
}

}  // namespace tidemark::ingest
