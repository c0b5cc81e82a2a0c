// Takes cuts from the reader, as the Applier does, and publishes them: one cut is one Kafka transaction with
// the changes of all tables, the ends of the source's transactions, what was refused, and the position
// (published_position.h). A reader at read_committed sees a cut whole or not at all, and none twice.
//
// What the reader is told as fenced is committed in Kafka; only that is acknowledged to Postgres.
//
// Failure: whatever fails ends run(); the Kafka transaction is left to the next initialise(), which aborts
// it, and the position is read again. Threads: run() is one thread; refuse() is the reader's; counters for
// anyone.
#pragma once

#include "ingest/applier.h"
#include "ingest/published_position.h"
#include "ingest/stream_reader.h"
#include "kafka/debezium_encoder.h"

#include <unordered_map>

namespace tidemark::ingest {

struct PublisherOptions {
  std::string prefix;
  std::string database;
  bool schema = false;
};

// Tables and how their rows become messages; keys are those of CapturedTable.
using Encoders = std::map<const CapturedTable*, std::unique_ptr<kafka::DebeziumEncoder>>;
Encoders make_encoders(const std::vector<CapturedTable>& tables, const PublisherOptions& options);

class KafkaPublisher {
 public:
  KafkaPublisher(kafka::Producer& producer, const Encoders& encoders, PublisherOptions options,
                 PublishedPosition position, CutHandoff& handoff,
                 std::map<const CapturedTable*, TableCounters*> counters, ApplierCounters& applied,
                 const Clock& clock);

  // Until the handoff closes (good) or something fails.
  Status run();
  // Goes out with the cut being applied or the next one: before the cut's fence.
  Status refuse(const std::vector<QuarantinedRow>& rows);

 private:
  Status publish(Cut& cut);
  Status publish(const Part& part);
  Status publish_row(const Part& part, size_t row, const kafka::DebeziumEncoder& encoder,
                     kafka::ChangeOrigin& origin, std::span<const uint32_t> unchanged);
  Status publish_ends(const Cut& cut);
  Status publish_refused();
  kafka::ChangeOrigin origin_of(const Part& part, Version version, size_t index, size_t transaction) const;
  void count(const Part& part, kafka::ChangeOrigin& origin);

  kafka::Producer& producer_;
  const Encoders& encoders_;
  PublisherOptions options_;
  PublishedPosition position_;
  CutHandoff& handoff_;
  std::map<const CapturedTable*, TableCounters*> tables_;
  ApplierCounters& counters_;
  const Clock& clock_;

  // Of the cut: events of each transaction (by its commit LSN) and table.
  std::unordered_map<uint64_t, std::vector<std::pair<const CapturedTable*, uint64_t>>> events_;
  std::string key_, value_, new_key_;
  std::mutex mutex_;
  std::vector<QuarantinedRow> refused_;
};

}  // namespace tidemark::ingest
