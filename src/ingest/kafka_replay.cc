#include "ingest/kafka_replay.h"

#include "base/clock.h"
#include "base/invariant.h"
#include "ingest/kafka_parity_limits.h"

#include <fmt/format.h>

namespace tidemark::ingest {
namespace {

constexpr size_t bookkeeping_columns = 4;

}  // namespace

KafkaReplay::KafkaReplay(uint16_t epoch, const KafkaTables& tables, const kafka::DecoderOptions& decoder,
                         KafkaScratch& scratch)
    : epoch_(epoch), format_(decoder.format), tables_(tables), scratch_(scratch) {
  for (size_t index = 0; index < tables.tables.size(); ++index)
    lanes_.emplace(index, Lane{.decoder = kafka::MessageDecoder(tables.shapes[index], decoder),
                               .rows = KafkaScratch::changes_block(tables.tables[index]),
                               .truncates = {},
                               .left_out = {}});
  for (const char* name : {"table", "topic"}) refused_.add(name, ColumnType::of(TypeKind::string));
  for (const char* name : {"partition", "lsn"}) refused_.add(name, ColumnType::of(TypeKind::uint64));
  refused_.add("stage", ColumnType::of(TypeKind::uint8));
}

void KafkaReplay::add(const std::string& topic, int32_t partition, int64_t begun, int64_t first) {
  partitions_[{topic, partition}] = {.begun = begun, .first = first, .next = std::max(begun, first)};
}

Status KafkaReplay::read(const config::KafkaSource& source, const Ends& ends,
                         const std::function<void(uint64_t)>& progress, const std::atomic<bool>& stop) {
  begin_stage();
  std::map<std::pair<std::string, int32_t>, int64_t> open;
  std::vector<kafka::Position> positions;
  for (const auto& [partition, end] : ends) {
    auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.next >= end) continue;
    open[partition] = end;
    positions.push_back({partition.first, partition.second, found->second.next});
  }
  if (open.empty()) return {};
  auto consumer = TRY(kafka::Consumer::open(consumer_options(source)));
  TRY_VOID(consumer.assign(positions));
  std::vector<kafka::Position> done;
  // From here on the partition is of no interest, whatever comes.
  auto reached = [&](const std::pair<std::string, int32_t>& partition, int64_t end) {
    partitions_[partition].next = end;
    open.erase(partition);
    done.push_back({partition.first, partition.second, end});
  };
  int64_t heard = system_clock().monotonic_micros();
  kafka::Consumer::Handler handler{.message = [&](const kafka::Message& message) -> Status {
                                     heard = system_clock().monotonic_micros();
                                     auto found = open.find({std::string(message.topic), message.partition});
                                     if (found == open.end()) return {};
                                     if (message.offset < found->second) TRY_VOID(take(message));
                                     if (message.offset + 1 >= found->second) {
                                       auto [partition, end] = *found;
                                       reached(partition, end);
                                     }
                                     return {};
                                   },
                                   .end =
                                       [&](const kafka::Position& position) {
                                         auto found = open.find({position.topic, position.partition});
                                         if (found == open.end() || position.offset < found->second) return;
                                         auto [partition, end] = *found;
                                         reached(partition, end);
                                       }};
  while (!open.empty()) {
    if (stop) return fail(ErrorKind::cancelled, "stopped");
    TRY_VOID(consumer.poll(limits::replay_poll, handler));
    if (!done.empty()) TRY_VOID(consumer.pause(std::exchange(done, {})));
    if (progress) progress(messages_);
    if (system_clock().monotonic_micros() - heard > limits::replay_silence_max.count() * 1000) {
      const auto& [partition, end] = *open.begin();
      std::string trouble = consumer.trouble();
      return fail(
          ErrorKind::dependency_down,
          fmt::format("{}/{} has nothing to read at offset {}, and {} is wanted{}", partition.first,
                      partition.second, partitions_[partition].next, end,
                      trouble.empty() ? "" : ": " + trouble),
          "check that the brokers are up; a transaction of a producer that never ends looks the same");
    }
  }
  return flush();
}

Status KafkaReplay::take(const kafka::Message& message) {
  auto found = partitions_.find({std::string(message.topic), message.partition});
  auto table = tables_.table_of.find(std::string(message.topic));
  if (found == partitions_.end() || table == tables_.table_of.end() || message.offset < found->second.next)
    return {};
  Partition& partition = found->second;
  Lane& lane = lanes_.at(table->second);
  ++messages_;
  ++partition.messages;
  partition.next = message.offset + 1;
  const kafka::Decoded& decoded = lane.decoder.decode(message, lane.rows);
  switch (decoded.kind) {
    case kafka::Decoded::Kind::rows:
    case kafka::Decoded::Kind::remove:
      TRY_VOID(take_rows(lane, message, decoded, partition));
      break;
    case kafka::Decoded::Kind::truncate:
      lane.truncates.push_back({version_of(epoch_, decoded, ordered_by_lsn(format_, decoded, partition.marks),
                                           message.offset, message.partition, 0, partition.marks),
                                stage_});
      break;
    case kafka::Decoded::Kind::refused:
      refuse(table->second, message);
      break;
    case kafka::Decoded::Kind::nothing:
      break;
  }
  bytes_ += (message.value ? message.value->size() : 0) + (message.key ? message.key->size() : 0);
  if (lane.rows.rows() >= limits::replay_rows_max) return send(table->second);
  if (bytes_ >= limits::replay_bytes_max) return flush();
  return {};
}

Status KafkaReplay::take_rows(Lane& lane, const kafka::Message& message, const kafka::Decoded& decoded,
                              Partition& partition) {
  size_t columns = lane.rows.columns.size() - bookkeeping_columns;
  bool by_lsn = ordered_by_lsn(format_, decoded, partition.marks);
  if (by_lsn && decoded.tombstone) {  // it says what the message before it said
    size_t kept = lane.rows.columns[columns].rows();
    for (size_t column = 0; column < columns; ++column)
      lane.rows.columns[column].drop_last(lane.rows.columns[column].rows() - kept);
    return {};
  }
  std::string unchanged;
  for (size_t column : lane.decoder.unchanged()) {
    unchanged += fmt::format("{}{},", unchanged.empty() ? "," : "", column);
    lane.left_out.insert(column);
  }
  for (uint32_t row = 0; row < decoded.rows; ++row) {
    Version version =
        version_of(epoch_, decoded, by_lsn, message.offset, message.partition, row, partition.marks);
    if (!partition.first_version) partition.first_version = version;
    size_t column = columns;
    lane.rows.columns[column++].append(version);
    lane.rows.columns[column++].append<uint8_t>(decoded.kind == kafka::Decoded::Kind::remove ? 1 : 0);
    lane.rows.columns[column++].append_text(unchanged);
    lane.rows.columns[column].append<uint8_t>(stage_);
  }
  return {};
}

void KafkaReplay::refuse(size_t table, const kafka::Message& message) {
  refused_.columns[0].append_text(tables_.tables[table].name);
  refused_.columns[1].append_text(message.topic);
  refused_.columns[2].append<uint64_t>(static_cast<uint64_t>(message.partition));
  refused_.columns[3].append<uint64_t>(static_cast<uint64_t>(message.offset));
  refused_.columns[4].append<uint8_t>(stage_);
}

Status KafkaReplay::send(size_t table) {
  Lane& lane = lanes_.at(table);
  if (lane.rows.rows() > 0) TRY_VOID(scratch_.insert(scratch_.changes(table), lane.rows));
  lane.rows.clear();
  return {};
}

Status KafkaReplay::flush() {
  for (const auto& [table, lane] : lanes_) TRY_VOID(send(table));
  if (refused_.rows() > 0) TRY_VOID(scratch_.insert(scratch_.refused(), refused_));
  refused_.clear();
  bytes_ = 0;
  return {};
}

}  // namespace tidemark::ingest
