// A Kafka source as a pipeline (source_pipeline.h). prepare() looks topics and columns up and makes the
// bronze tables; start() reads from the places of the last fence, which live in the warehouse and nowhere
// else: the group's offsets are written for people who watch lag and never read.
//
// A source's first life begins at `start` under epoch 1. Messages that the brokers removed before they were
// read, a topic that was made anew, another cluster: the pipeline stops and says so (`gaps: accept` passes
// over what was removed, on the record); `tidemark up --recopy` empties the tables and begins a new epoch.
//
// With slots (kafka_slots_pipeline.h) a pipeline is that of one slot: it reads the partitions of the slot,
// under the slot's name, and only while the slot is leased to this process. Without, it reads all of them.
// New partitions are found while it runs, new topics at the next start. Thread-safe.
#pragma once

#include "config/kafka_source.h"
#include "ingest/kafka_fences.h"
#include "ingest/kafka_reader.h"
#include "ingest/source_life.h"
#include "ingest/source_pipeline.h"

namespace tidemark::ingest {

struct KafkaPipelineOptions {
  config::KafkaSource source;
  std::set<std::string> tables_with_changes;  // names in bronze that models need change rows of
  bool recopy = false;
  KafkaSlot slot;
  // The slot is ours, as far as anybody can know. Empty without slots.
  std::function<bool()> leased;
  // With slots: asked while others are waited for.
  std::function<bool()> stopped;
  const KafkaTruncates* truncates = nullptr;  // with slots; must outlive the pipeline
};

class KafkaPipeline final : public SourcePipeline {
 public:
  KafkaPipeline(KafkaPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~KafkaPipeline() override;
  KafkaPipeline(const KafkaPipeline&) = delete;
  KafkaPipeline& operator=(const KafkaPipeline&) = delete;

  Status prepare() override;
  std::vector<std::string> warnings() const override { return warnings_; }
  void start() override;
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override;
  Result<uint64_t> ask_for_fence() override;
  bool at_fence() const override { return streamed_ && !applied_.in_doubt; }
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

  // Of prepare(); does not change afterwards but for change rows.
  const KafkaTables& tables() const { return tables_; }
  // The slot is not ours any more: nothing is finished.
  void stop_at_once();
  // Begins the first life of the source, or a new one, of all its slots, when there is none or it was asked
  // for. Nobody else may work on the source meanwhile. Returns the epoch. With slots it is called once by
  // the one who starts, without by start().
  Result<uint16_t> settle();

 private:
  Status ensure_bronze();
  Status live();
  Status begin_epoch(kafka::Consumer& consumer, const std::string& cluster, uint16_t epoch);
  std::string stream_name() const { return options_.slot.stream(options_.source.name); }
  Status check_places(kafka::Consumer& consumer, KafkaPlaces& places);
  Result<bool> look_around(kafka::Consumer& consumer, KafkaReader& reader);
  Status stream(uint16_t epoch);
  Status read_all(KafkaReader& reader);
  Result<kafka::Consumer> open() const { return kafka::Consumer::open(consumer_options(options_.source)); }

  KafkaPipelineOptions options_;
  clickhouse::ClientPool& pool_;
  ModelHooks hooks_;
  const Clock& clock_;
  std::function<void(const CutEvent&)> on_cut_;
  SourceLife life_;
  std::atomic<bool> stop_now_{false};
  StateStore state_store_;

  KafkaTables tables_;
  std::map<const CapturedTable*, TableCounters*> counters_;
  std::vector<std::unique_ptr<TableCounters>> counter_storage_;
  std::vector<std::string> warnings_;
  ApplierCounters applied_;
  ReaderCounters read_;
  mutable KafkaFences fences_;

  mutable std::mutex mutex_;
  uint16_t epoch_ = 0;
  std::atomic<bool> streamed_{false};
  CutHandoff* handoff_ = nullptr;        // of the life that runs
  kafka::Consumer* consumer_ = nullptr;  // likewise; to wake it
  std::set<std::string> pending_change_rows_;
  bool troubled_ = false;  // shown as waiting
  std::string news_;       // topics that are read after a restart; shown
  int64_t looked_at_ = 0;
  int64_t probed_at_ = 0;
};

}  // namespace tidemark::ingest
