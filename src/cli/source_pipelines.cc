#include "cli/source_pipelines.h"

#include "base/limits.h"
#include "base/log.h"
#include "cli/signals.h"
#include "ingest/batch_pipeline.h"
#include "ingest/event_pipeline.h"
#include "ingest/insert_pipeline.h"
#include "ingest/kafka_pipeline.h"
#include "ingest/postgres_pipeline.h"
#include "ingest/pull_pipeline.h"

#include <thread>

namespace tidemark::cli {

Status SourcePipelines::prepare(const config::Project& project, clickhouse::ClientPool& pool,
                                const Options& options) {
  shared_.clear();
  doors_.clear();
  spooling_.clear();
  webhooks_.clear();
  streams_.clear();
  pipelines_.clear();
  ingest::ModelHooks hooks = options.hooks;
  hooks.barrier = &barrier_;
  auto add = [&](const std::string& name, std::unique_ptr<ingest::SourcePipeline> pipeline) -> Status {
    TRY_VOID(pipeline->prepare());
    for (const auto& warning : pipeline->warnings()) log::warn("source {}: {}", name, warning);
    pipelines_.push_back(std::move(pipeline));
    return {};
  };
  auto snapshots = TRY(config::load_snapshot_options(project.root));
  for (const auto& source : project.sources) {
    ingest::PipelineOptions postgres{.source = source,
                                     .tables_with_changes = options.tables_with_changes,
                                     .recopy = options.recopy,
                                     .snapshot = snapshots[source.name]};
    if (source.mode == config::PostgresSource::Mode::batch)
      TRY_VOID(add(source.name, std::make_unique<ingest::BatchPipeline>(std::move(postgres), pool, hooks,
                                                                        system_clock(), options.on_cut)));
    else {
      auto pipeline = std::make_unique<ingest::PostgresPipeline>(std::move(postgres), pool, hooks,
                                                                 system_clock(), options.on_cut);
      auto* stream = pipeline.get();
      TRY_VOID(add(source.name, std::move(pipeline)));
      streams_.push_back(stream);
    }
  }
  for (const auto& source : project.kafka_sources) {
    ingest::KafkaPipelineOptions kafka{.source = source,
                                       .tables_with_changes = options.tables_with_changes,
                                       .recopy = options.recopy,
                                       .slot = {.count = source.slots},
                                       .stopped = [] { return Signals::pending(); }};
    if (!kafka.slot.shared()) {
      TRY_VOID(add(source.name, std::make_unique<ingest::KafkaPipeline>(std::move(kafka), pool, hooks,
                                                                        system_clock(), options.on_cut)));
      continue;
    }
    auto pipeline = std::make_unique<ingest::KafkaSlotsPipeline>(std::move(kafka), pool, hooks,
                                                                 system_clock(), options.on_cut);
    shared_.push_back(pipeline.get());
    TRY_VOID(add(source.name, std::move(pipeline)));
  }
  auto options_of = [&](const config::EventSource& source, bool keyed) {
    return ingest::EventPipelineOptions{.source = source,
                                        .tables_with_changes = options.tables_with_changes,
                                        .recopy = options.recopy,
                                        .keyed = keyed};
  };
  // Both kinds have a door.
  auto add_events = [&](const std::string& name,
                        auto pipeline) -> Result<std::shared_ptr<ingest::EventDoor>> {
    auto* events = pipeline.get();
    TRY_VOID(add(name, std::move(pipeline)));
    spooling_.push_back(events->door());
    return spooling_.back();
  };
  auto make_events = [&](const config::EventSource& source, bool keyed) {
    return std::make_unique<ingest::EventPipeline>(options_of(source, keyed), pool, hooks, system_clock(),
                                                   options.on_cut);
  };
  for (const auto& source : project.event_sources)
    doors_.push_back(TRY(add_events(source.name, make_events(source, false))));
  for (const auto& source : TRY(config::load_webhook_sources(project.root))) {
    auto door = source.pull
                    ? add_events(source.events.name, std::make_unique<ingest::PullPipeline>(
                                                         *source.pull, options_of(source.events, true), pool,
                                                         hooks, system_clock(), options.on_cut))
                    : add_events(source.events.name, make_events(source.events, true));
    TRY_VOID(door);
    if (source.called) webhooks_.push_back({source, *door});
  }
  for (const auto& table : project.insert_tables)
    TRY_VOID(add(
        table.full_name(),
        std::make_unique<ingest::InsertPipeline>(
            ingest::InsertPipelineOptions{.table = table, .tables_with_changes = options.tables_with_changes},
            pool, hooks, system_clock(), options.on_cut)));
  return {};
}

Status SourcePipelines::at_doors(const std::function<Status()>& change) {
  std::function<Status()> all = change;
  for (const auto& door : doors_) all = [door, inner = std::move(all)] { return door->between(inner); };
  return all();
}

bool SourcePipelines::shared(const config::Project& project) {
  return std::any_of(project.kafka_sources.begin(), project.kafka_sources.end(),
                     [](const auto& source) { return source.slots > 1; });
}

bool SourcePipelines::leads() const {
  return shared_.empty() || shared_.front()->leads();
}

Status SourcePipelines::check_alone() {
  for (auto* pipeline : shared_) TRY_VOID(pipeline->check_alone());
  return {};
}

bool SourcePipelines::owns_all() const {
  return std::all_of(shared_.begin(), shared_.end(), [](const auto* one) { return one->owns_all(); });
}

void SourcePipelines::start() {
  for (auto& pipeline : pipelines_) pipeline->start();
}

void SourcePipelines::stop() {
  for (auto& pipeline : pipelines_) pipeline->stop();
}

Result<std::vector<uint64_t>> SourcePipelines::ask_for_fences() {
  std::vector<uint64_t> positions;
  for (auto& pipeline : pipelines_) positions.push_back(TRY(pipeline->ask_for_fence()));
  return positions;
}

Status SourcePipelines::reach_fences(const std::function<bool()>& stopped) {
  auto positions = TRY(ask_for_fences());
  for (size_t index = 0; index < pipelines_.size(); ++index)
    while (pipelines_[index]->status().ladder.fenced < positions[index]) {
      if (auto error = pipelines_[index]->gave_up()) return fail(std::move(*error));
      if (stopped()) return fail(ErrorKind::cancelled, "stopped while a fence was awaited");
      std::this_thread::sleep_for(limits::fence_poll_every);
    }
  return {};
}

Status SourcePipelines::at_barrier(const std::function<Status()>& action, const std::atomic<bool>& stopping,
                                   int64_t patience_us) {
  int64_t deadline = system_clock().monotonic_micros() + patience_us;
  auto patience =
      std::min(limits::barrier_patience,
               std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(patience_us)));
  auto at_fence = [this] {
    return std::all_of(pipelines_.begin(), pipelines_.end(), [](const auto& one) { return one->at_fence(); });
  };
  for (bool asked = false;;) {
    bool ran = false;
    Status done = barrier_.run(patience, at_fence, [&] {
      ran = true;
      return action();
    });
    if (ran) return done;
    if (stopping) return fail(ErrorKind::cancelled, "stopped");
    if (system_clock().monotonic_micros() > deadline) return done;
    if (!std::exchange(asked, true))
      if (auto positions = ask_for_fences(); !positions)
        log::warn("a source could not be asked for a fence: {}", positions.error().describe());
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
}

Status SourcePipelines::prepare_change_rows(const std::set<std::string>& tables) {
  for (auto& pipeline : pipelines_) TRY_VOID(pipeline->prepare_change_rows(tables));
  return {};
}

void SourcePipelines::begin_change_rows(const std::set<std::string>& tables) {
  for (auto& pipeline : pipelines_) pipeline->begin_change_rows(tables);
}

Result<uint64_t> SourcePipelines::resync(const std::string& table) {
  for (auto* stream : streams_) {
    auto asked = stream->resync(table);
    if (asked || asked.error().kind != ErrorKind::config) return asked;
  }
  return fail(
      ErrorKind::config, fmt::format("no source that is streamed has a table {}", table),
      "tidemark status lists them; tables over Kafka, events and batches are not brought back by parity");
}

std::optional<ingest::ParityRecord> SourcePipelines::parity(const std::string& table) const {
  for (const auto* stream : streams_)
    if (auto record = stream->parity(table)) return record;
  return std::nullopt;
}

Result<uint64_t> SourcePipelines::drop_quarantined(const std::string& table) {
  for (auto* stream : streams_) {
    auto dropped = stream->drop_quarantined(table);
    if (dropped || dropped.error().kind != ErrorKind::config) return dropped;
  }
  return fail(ErrorKind::config, fmt::format("no source that is streamed has a table {}", table),
              "tidemark status lists them; what did not fit of other sources stays in quarantine");
}

ingest::PipelineStatus SourcePipelines::status() const {
  ingest::PipelineStatus status;
  for (const auto& pipeline : pipelines_) status.sources.push_back(pipeline->status());
  return status;
}

bool SourcePipelines::complete(const std::set<std::string>& tables) {
  if (!leads()) return false;
  for (const auto& source : status().sources) {
    if (source.follows()) streamed_.insert(source.source);
    for (const auto& table : source.tables)
      if (tables.contains(table.table) && table.state != "live" &&
          (table.state == "copying" || !streamed_.contains(source.source)))
        return false;
  }
  return true;
}

std::optional<Error> SourcePipelines::gave_up() const {
  for (const auto& pipeline : pipelines_)
    if (auto error = pipeline->gave_up()) return error;
  return std::nullopt;
}

}  // namespace tidemark::cli
