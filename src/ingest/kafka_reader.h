// Turns the messages of a Kafka source into cuts.
//
// Messages are decoded as they come, into the part of their table. A cut closes when the applier is free, or
// when one table's part is full: a table has one part a cut, so a cut is known by its places alone, however
// the partitions' messages interleave the next time. Its boundaries (places) are written before its rows and
// after them, like a Postgres source's; after a crash the messages between the last fence and the planned
// places are read again, and nothing behind them.
//
// What the table's decoder refuses goes to quarantine with its topic, partition, offset and bytes, before the
// fence of the cut it came in. Threads: run() is one thread; the counters may be read by anyone.
#pragma once

#include "config/kafka_source.h"
#include "ingest/applier.h"
#include "ingest/cut.h"
#include "ingest/kafka_fences.h"
#include "ingest/kafka_slot.h"
#include "ingest/kafka_tables.h"
#include "ingest/kafka_truncates.h"
#include "ingest/stream_reader.h"

namespace tidemark::ingest {

struct KafkaReaderStart {
  std::string source;
  uint16_t epoch = 0;
  CutRecord fenced;
  KafkaPlaces places;                // of the fence
  std::optional<CutRecord> planned;  // a cut to be replayed
  KafkaPlaces planned_places;
  kafka::DecoderOptions decoder;
  KafkaSlot slot;
  const KafkaTruncates* truncates = nullptr;  // with slots: of all of them
};

class KafkaReader {
 public:
  KafkaReader(KafkaReaderStart start, const KafkaTables& tables,
              std::map<const CapturedTable*, TableCounters*> counters, StateStore& state, CutHandoff& handoff,
              KafkaFences& fences, const ApplierCounters& applied, ReaderCounters& read, const Clock& clock,
              const std::atomic<bool>& stop);

  // Reads what was planned, when something was; the consumer is of no use afterwards (it may hold messages
  // from behind the plan).
  Status replay(kafka::Consumer& consumer);
  // Until stop, or the handoff closes, or something fails. `look_around` is called now and then between
  // messages; true: the partitions have changed, and run() ends.
  Status run(kafka::Consumer& consumer, const std::function<Result<bool>()>& look_around);

  const KafkaPlaces& places() const { return places_; }
  // A partition that is new, or one whose messages are gone.
  void set_place(const std::string& topic, int32_t partition, int64_t offset);

 private:
  struct Lane {
    Lane(const CapturedTable& captured, TableCounters& table_counters, kafka::MessageDecoder message_decoder)
        : table(&captured), counters(&table_counters), decoder(std::move(message_decoder)) {}
    const CapturedTable* table;
    TableCounters* counters;
    kafka::MessageDecoder decoder;
    std::unique_ptr<Part> part;
    size_t part_bytes = 0;
  };

  Status take(const kafka::Message& message);
  void take_end(const kafka::Position& position);
  Status take_rows(Lane& lane, const kafka::Message& message, const kafka::Decoded& decoded,
                   KafkaPlace& place);
  Status take_truncate(Lane& lane, const kafka::Message& message, const kafka::Decoded& decoded,
                       KafkaPlace& place);
  void begin_truncate(Lane& lane, Version version, int64_t committed_at);
  Status follow_truncates();
  void replay_truncates();
  bool reads(const Lane& lane, const KafkaPlaces& places) const;
  Status refuse(Lane& lane, const kafka::Message& message, const kafka::Decoded& decoded);
  Status flush_refused();
  Part& part_of(Lane& lane);
  Status close_if_due();
  std::chrono::milliseconds patience() const;
  int64_t until_due_us() const;
  Status close(Plan plan);
  Plan plan_of_open_rows() const;
  Status wait_for_applier();
  bool ends() const { return stop_ || handoff_.closed(); }
  void commit(kafka::Consumer& consumer);

  std::string source_;  // with the slot
  KafkaSlot slot_;
  const KafkaTruncates* truncates_;
  uint16_t epoch_;
  kafka::Format format_;
  CutRecord fenced_;
  std::optional<CutRecord> planned_;
  KafkaPlaces planned_places_;
  StateStore& state_;
  CutHandoff& handoff_;
  KafkaFences& fences_;
  const ApplierCounters& applied_;
  ReaderCounters& read_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::map<std::string, Lane*, std::less<>> lane_of_;

  KafkaPlaces places_;  // behind the last message taken
  bool replaying_ = false;

  // The cut being filled.
  uint64_t cut_number_ = 0;
  uint64_t open_rows_ = 0;
  size_t open_bytes_ = 0;
  bool moved_ = false;  // places_ is past those of the last cut
  bool full_ = false;
  // Partitions whose last row was the old half of a key change: the new half belongs into the same part,
  // which takes large values from it.
  std::set<std::pair<std::string, int32_t>> halves_;
  std::set<std::string> single_;  // topics of one partition: both halves come through it
  std::vector<CommittedTransaction> open_transactions_;
  int64_t committed_at_ = 0;
  std::vector<QuarantinedRow> refused_;
  size_t refused_bytes_ = 0;

  int64_t last_publish_micros_ = 0;
  int64_t last_idle_micros_ = 0;
  int64_t last_commit_micros_ = 0;
  KafkaPlaces closed_places_;
};

}  // namespace tidemark::ingest
