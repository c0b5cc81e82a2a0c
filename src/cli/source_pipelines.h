// The sources of a project that runs, each a pipeline, and the place between two cuts of all of them.
//
// prepare() may be called again while nothing runs: it makes all pipelines anew. Thread-safe after start().
#pragma once

#include "base/limits.h"
#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "ingest/applier.h"
#include "ingest/event_routes.h"
#include "ingest/kafka_slots_pipeline.h"
#include "ingest/parity_book.h"
#include "ingest/source_pipeline.h"
#include "ingest/webhook_routes.h"

#include <functional>
#include <memory>

namespace tidemark::ingest {
class PostgresPipeline;
}

namespace tidemark::cli {

class SourcePipelines {
 public:
  struct Options {
    std::set<std::string> tables_with_changes;  // "impressions": models need their change rows
    bool recopy = false;
    ingest::ModelHooks hooks;  // without the barrier, which is ours
    std::function<void(const ingest::CutEvent&)> on_cut;
  };

  // Everything that can go wrong at a source, of the first that has something; remarks are logged.
  Status prepare(const config::Project& project, clickhouse::ClientPool& pool, const Options& options);
  void start();
  void stop();

  // Waits until everything the sources have now is in and fenced. `stopped` is asked now and then.
  Status reach_fences(const std::function<bool()>& stopped);
  // Runs `action` between two cuts of all sources. A source that has just begun has no fence of its own yet:
  // it is asked for one. Errors: limit when no such place came within `patience_us`, cancelled, those of the
  // action.
  Status at_barrier(const std::function<Status()>& action, const std::atomic<bool>& stopping,
                    int64_t patience_us = limits::barrier_wait_us);

  // See SourcePipeline.
  Status prepare_change_rows(const std::set<std::string>& tables);
  void begin_change_rows(const std::set<std::string>& tables);

  // Sources that several processes share (ingest/kafka_slots_pipeline.h).
  static bool shared(const config::Project& project);
  // We are the one that does what is to be done once a project; so is who shares nothing.
  bool leads() const;
  // While starting: nobody else works on a shared source. Errors: conflict.
  Status check_alone();
  // All slots of all shared sources are ours.
  bool owns_all() const;

  // Asks for a table of a source that is streamed to be brought back by parity; returns the number of the
  // request. Errors: config when there is no such table; unsupported when it cannot be.
  Result<uint64_t> resync(const std::string& table);
  // How far that is: null when nobody ever asked.
  std::optional<ingest::ParityRecord> parity(const std::string& table) const;

  // Of a table of a source that is streamed; returns how many rows they were. Errors: config when there is
  // none.
  Result<uint64_t> drop_quarantined(const std::string& table);

  // The ways in of sources that are sent to; of the last prepare().
  const ingest::EventDoors& doors() const { return doors_; }
  // All that have a spool: these, those of webhooks, and those of sources that are only asked.
  const ingest::EventDoors& spooling() const { return spooling_; }
  // Those that other systems call.
  const std::vector<ingest::WebhookDoor>& webhooks() const { return webhooks_; }
  // Nobody is on the way from one of their filters into a spool while this runs.
  Status at_doors(const std::function<Status()>& change);

  ingest::PipelineStatus status() const;
  // A result of half a table is not shown. A source that has streamed is complete, also while Postgres is
  // away. One call at a time.
  bool complete(const std::set<std::string>& tables);
  std::optional<Error> gave_up() const;

 private:
  Result<std::vector<uint64_t>> ask_for_fences();

  ingest::CutBarrier barrier_;
  std::vector<std::unique_ptr<ingest::SourcePipeline>> pipelines_;
  std::vector<ingest::KafkaSlotsPipeline*> shared_;  // of these
  std::vector<ingest::PostgresPipeline*> streams_;   // likewise
  ingest::EventDoors doors_, spooling_;              // likewise
  std::vector<ingest::WebhookDoor> webhooks_;        // likewise
  std::set<std::string> streamed_;                   // sources; of complete()
};

}  // namespace tidemark::cli
