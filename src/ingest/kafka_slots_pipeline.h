// A Kafka source with slots: shares of its partitions (kafka_slot.h), each a stream with a pipeline of its
// own (kafka_pipeline.h), worked on by whichever process has its lease (kafka_lease.h).
//
// Why nothing is lost and nothing counts twice, however processes come and go. What may be on its way when a
// slot changes hands are INSERTs of the process before, and what it does until it knows.
//   1. Every cut with rows is planned, and every INSERT carries a token made of the slot and the cut, so two
//      processes that apply the same cut with the same boundaries count as one, in any order, at the same
//      time. The next owner replays the planned cut: that is the recovery after a crash.
//   2. Nobody applies a cut under boundaries of its own. Who takes a slot over first writes that it is the
//      owner (StateStore::claim), then reads the newest fence and plan. Who plans a cut first writes the
//      plan, then reads who is the owner, and sends no row when that is another. So a plan of the process
//      before either was there when the new owner read, and is what it replays; or its writer reads the new
//      owner's claim and ends. A plan that nobody acted on and that comes late loses against the new owner's
//      by its sequence, or, when there is none yet, is as good as any.
//   3. Fences say that everything up to their places is in, which stays true; the furthest counts.
//   4. Tokens are forgotten after kafka_slots_window_blocks blocks of a table. So INSERTs also ask the lease
//      before each try: a process that stood still (SIGSTOP) for half a session sends nothing more. Between
//      that question and the first byte lie microseconds; only a process stopped just there, for as long as
//      the others need for that many blocks, would be heard again.
//   5. Old images of changes are read before a cut's own rows are in. An owner before that reads them late
//      makes change rows that are wrong, and that the token of the right ones keeps out.
// Keyed models with several writers: models/runtime.h. TRUNCATEs: kafka_truncates.h.
//
// One process at a time starts: it holds a lock (a lease of one slot), in which models are deployed and the
// first epoch begins, until it has joined the others. It learns whether there are others from the group's
// members. The owner of slot 0 leads: it does what is to be done once (refresh models, letting go of old
// versions).
//
// The source's status is of all slots: those of others are known by their fences in the warehouse. Positions
// are sums over all partitions; as_of is that of the slot that is furthest behind. Thread-safe.
#pragma once

#include "ingest/kafka_lease.h"
#include "ingest/kafka_pipeline.h"

namespace tidemark::ingest {

class KafkaSlotsPipeline final : public SourcePipeline {
 public:
  KafkaSlotsPipeline(KafkaPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                     const Clock& clock, std::function<void(const CutEvent&)> on_cut);
  ~KafkaSlotsPipeline() override;
  KafkaSlotsPipeline(const KafkaSlotsPipeline&) = delete;
  KafkaSlotsPipeline& operator=(const KafkaSlotsPipeline&) = delete;

  // Also waits for its turn to start. Errors: conflict when it does not come, or when the source is to be
  // read again while others work on it.
  Status prepare() override;
  std::vector<std::string> warnings() const override { return template_->warnings(); }
  void start() override;
  void stop() override;
  SourceStatus status() const override;
  std::optional<Error> gave_up() const override;
  Result<uint64_t> ask_for_fence() override;
  // Of the slots of this process.
  bool at_fence() const override;
  Status prepare_change_rows(const std::set<std::string>& tables) override;
  void begin_change_rows(const std::set<std::string>& tables) override;

  // Slot 0 is ours.
  bool leads() const;
  // While starting: nobody else works on the source. Waits for the end of processes that were killed. Errors:
  // conflict when there is somebody.
  Status check_alone();
  // Every slot is ours.
  bool owns_all() const;

 private:
  struct Watched {  // of one slot
    CutRecord fence;
    KafkaPlaces places;
    KafkaPlaces ends;  // what the brokers had at `asked_at`
    int64_t asked_at = 0;
    uint64_t end = 0;
    bool behind = false;
  };

  void run();
  Status settle();
  void start_pipelines();
  void take_away(const std::set<uint32_t>& slots, bool lost);
  bool emptied_alike() const;
  void watch_all();
  Status watch();
  Status look_at_ends(kafka::Consumer& consumer);
  KafkaPipelineOptions slot_options(uint32_t slot);
  kafka::ConsumerOptions group_options(const std::string& suffix) const;
  std::string topic(const std::string& suffix) const { return options_.source.group + suffix; }
  int64_t session_ms() const;
  bool pause(std::chrono::milliseconds duration);
  void set_state(std::string state, std::string error);

  KafkaPipelineOptions options_;
  clickhouse::ClientPool& pool_;
  const ModelHooks hooks_;
  const Clock& clock_;
  const std::function<void(const CutEvent&)> on_cut_;
  std::atomic<bool> stop_{false};
  StateStore state_store_;
  std::unique_ptr<KafkaPipeline> template_;  // knows the tables; never started
  std::unique_ptr<KafkaLease> start_lock_, lease_;

  // A pipeline is set up and taken down under setting_up_, which is held for long; what is there is known
  // under mutex_.
  std::mutex setting_up_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<uint32_t> wanted_;  // slots that are ours
  std::map<uint32_t, std::shared_ptr<KafkaPipeline>> pipelines_;
  std::map<uint32_t, int64_t> try_again_at_;
  std::string state_ = "starting";
  std::string error_;
  std::optional<Error> gave_up_;
  uint16_t epoch_ = 0;
  std::map<uint32_t, Watched> watched_;
  mutable KafkaFences fences_;
  KafkaTruncates truncates_;
  bool joining_ = false;
  int64_t ends_at_ = 0, ends_took_ = 0;
  std::thread thread_, watching_;
};

}  // namespace tidemark::ingest
