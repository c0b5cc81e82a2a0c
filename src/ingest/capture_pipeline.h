// A Postgres source captured into Kafka topics, from end to end, without a warehouse: `up --role capture`.
//
// Life: as that of PostgresPipeline (postgres_pipeline.h). Each life takes over the source's transactional
// id, which shuts out whoever had it before and ends what was left open, and then reads from Kafka how far
// the source is published (published_position.h). The slot is acknowledged only up to what Kafka has
// committed.
//
// Another process that takes over the same source fences this one, which then gives up: two of them would
// take turns for ever.
#pragma once

#include "config/kafka_output.h"
#include "config/postgres_source.h"
#include "ingest/kafka_publisher.h"
#include "ingest/slot_watch.h"
#include "ingest/source_life.h"
#include "postgres/preflight.h"

namespace tidemark::ingest {

struct CaptureOptions {
  config::PostgresSource source;
  config::KafkaOutput output;
  bool recopy = false;  // truncate messages for all tables, then all rows again
};

class CapturePipeline {
 public:
  CapturePipeline(CaptureOptions options, const Clock& clock);
  ~CapturePipeline();
  CapturePipeline(const CapturePipeline&) = delete;
  CapturePipeline& operator=(const CapturePipeline&) = delete;

  // Asks source and brokers everything that can go wrong, and makes the topics.
  Status prepare();
  std::vector<std::string> warnings() const;
  void start();
  // Finishes the cut being published, tells the source, ends.
  void stop();
  SourceStatus status() const;
  std::optional<Error> gave_up() const;

 private:
  Status read_tables(postgres::Connection& connection);
  Status make_topics();
  // What is taken of the tables, where that is not everything.
  std::string selection() const;
  Status live();
  Status publish(kafka::Producer& producer);
  Status copy(postgres::Connection& connection, kafka::Producer& producer, PublishedPosition& position,
              bool anew);
  Status check(postgres::Connection& connection, const postgres::ServerIdentity& identity,
               const PublishedPosition& position);
  Status stream(kafka::Producer& producer, PublishedPosition position);
  kafka::ProducerOptions producer_options() const;
  PublisherOptions publisher_options() const;

  CaptureOptions options_;
  const Clock& clock_;
  SourceLife life_;
  SlotWatch slot_watch_;
  std::atomic<bool> stop_now_{false};
  std::string database_;
  std::vector<CapturedTable> tables_;
  Encoders encoders_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  std::vector<std::unique_ptr<TableCounters>> counter_storage_;
  std::vector<postgres::Finding> warnings_;
  ApplierCounters applied_;
  ReaderCounters read_;

  bool streamed_ = false;
};

}  // namespace tidemark::ingest
