// Reads topics a second time, from where a source began to read them, and writes down every change as the
// message says it, in scratch tables (kafka_scratch.h). Nothing is read back, nothing is filled in and no old
// version is left out: what the changes come to is for SQL to say (kafka_comparison.h). So the decoders and
// the order of changes are those of the pipeline, and cuts, parts, tokens, old images and recovery are not.
//
// Memory: limits::replay_bytes_max and what the client fetches ahead. One thread.
#pragma once

#include "ingest/kafka_places.h"
#include "ingest/kafka_scratch.h"
#include "ingest/kafka_tables.h"

#include <atomic>
#include <functional>
#include <set>

namespace tidemark::ingest {

class KafkaReplay {
 public:
  using Ends = std::map<std::pair<std::string, int32_t>, int64_t>;
  struct Partition {
    int64_t begun = 0;  // where the source began
    int64_t first = 0;  // of what the brokers still have
    int64_t next = 0;   // of the next message
    uint64_t messages = 0;
    PartitionMarks marks;
    std::optional<Version> first_version;  // of the first row

    // Messages that were read into the warehouse are not there any more.
    bool trimmed() const { return first > begun; }
    // Offsets without a message: compaction, or what transactions leave.
    uint64_t holes() const {
      return static_cast<uint64_t>(std::max<int64_t>(0, next - std::max(first, begun))) - messages;
    }
  };
  struct Truncate {
    Version version;
    uint8_t stage;
  };

  KafkaReplay(uint16_t epoch, const KafkaTables& tables, const kafka::DecoderOptions& decoder,
              KafkaScratch& scratch);

  // `first`: where the brokers' messages begin now.
  void add(const std::string& topic, int32_t partition, int64_t begun, int64_t first);

  // On from where it is, up to `ends`, a new stage. `progress` gets the messages read so far. Errors:
  // dependency_down when the brokers fall silent before the ends.
  Status read(const config::KafkaSource& source, const Ends& ends,
              const std::function<void(uint64_t)>& progress, const std::atomic<bool>& stop);
  // What read() does for each message; and sends what is waiting.
  Status take(const kafka::Message& message);
  Status flush();

  void begin_stage() { ++stage_; }
  uint8_t stage() const { return stage_; }  // of what is read now
  const std::map<std::pair<std::string, int32_t>, Partition>& partitions() const { return partitions_; }
  const std::vector<Truncate>& truncates(size_t table) const { return lanes_.at(table).truncates; }
  // Columns of the table that some message left out.
  const std::set<size_t>& left_out(size_t table) const { return lanes_.at(table).left_out; }
  uint64_t messages() const { return messages_; }

 private:
  struct Lane {
    kafka::MessageDecoder decoder;
    Block rows;
    std::vector<Truncate> truncates;
    std::set<size_t> left_out;
  };

  Status send(size_t table);
  Status take_rows(Lane& lane, const kafka::Message& message, const kafka::Decoded& decoded,
                   Partition& partition);
  void refuse(size_t table, const kafka::Message& message);

  uint16_t epoch_;
  kafka::Format format_;
  const KafkaTables& tables_;
  KafkaScratch& scratch_;
  std::map<size_t, Lane> lanes_;  // of tables that are asked for
  std::map<std::pair<std::string, int32_t>, Partition> partitions_;
  Block refused_;
  size_t bytes_ = 0;
  uint8_t stage_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace tidemark::ingest
