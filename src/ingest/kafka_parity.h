// Proof that tables over Kafka hold what their topics say, row by row and by value, as of a fence.
//
// How. The topics are read a second time, from where the source began, up to the places of the newest fence
// of every slot, and every change is written into scratch tables as it came (kafka_replay.h). What the
// changes come to is worked out by SQL and compared with the tables in the warehouse (kafka_comparison.h).
// Of the pipeline only the decoders and the order of changes take part; of messages that cannot be decoded
// it is proved that they are in quarantine.
//
// The project need not run. When it does, the fence is first waited for that has everything the brokers had
// when the proof began. Nothing is written but scratch tables, which go away at the end.
//
// What brokers removed cannot be read again. A note says from where on a topic's proof holds, and rows that
// only removed messages could explain are counted as not judged.
#pragma once

#include "config/kafka_source.h"
#include "ingest/kafka_places.h"
#include "ingest/parity.h"

namespace tidemark::ingest {

struct KafkaParityReport {
  KafkaPlaces as_of;
  std::vector<TableParity> tables;
};

struct KafkaParityOptions {
  std::vector<std::string> only;  // names in bronze; empty: all
  bool running = false;           // somebody moves the fences
  std::chrono::milliseconds fence_timeout{60'000};
  std::function<void(uint64_t messages)> progress;
};

// Errors: dependency_down when brokers or fences stand still; unsupported when topics are not those that were
// read. No tables when `only` names none of this source.
Result<KafkaParityReport> verify_kafka_tables(const config::KafkaSource& source, clickhouse::ClientPool& pool,
                                              const KafkaParityOptions& options,
                                              const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
