#include "cli/model_watch.h"

#include "base/log.h"
#include "models/model_health.h"

namespace tidemark::cli {
namespace {

std::optional<models::SourcePositions> positions_of(const ingest::PipelineStatus& pipeline) {
  models::SourcePositions positions;
  for (const auto& source : pipeline.sources) {
    if (!source.follows()) return std::nullopt;
    positions[source.source] = {.epoch = static_cast<uint16_t>(source.epoch),
                                .received = source.ladder.received,
                                .queryable = source.ladder.queryable,
                                .cut = source.last_cut,
                                .idle = source.caught_up() && source.ladder.cut <= source.ladder.queryable,
                                .lag_ms = source.caught_up() ? 0 : source.lag_ms};
  }
  return positions;
}

serve::AuditStatus status_of(const models::AuditState& state) {
  return {.model = state.model,
          .audit = state.audit,
          .severity = config::name(state.severity),
          .known = state.known,
          .failing = state.failing,
          .examples = state.examples,
          .error = state.error,
          .at_micros = state.at_micros};
}

}  // namespace

ModelWatch::ModelWatch(clickhouse::Endpoint warehouse, std::function<ingest::PipelineStatus()> pipeline,
                       const Clock& clock)
    : pipeline_(std::move(pipeline)),
      clock_(clock),
      auditor_({.endpoint = std::move(warehouse), .clock = &clock, .positions = [this] {
                  ingest::PipelineStatus pipeline = pipeline_();
                  // Nobody may be looking, and turning stale is to be logged all the same.
                  if (clock_.monotonic_micros() - looked_at_ > 1'000'000) {
                    looked_at_ = clock_.monotonic_micros();
                    this->models(pipeline);
                  }
                  return positions_of(pipeline);
                }}) {}

Status ModelWatch::follow(clickhouse::Client& client, models::CompiledModels models,
                          const std::vector<config::AuditFile>& files) {
  // Nobody reads what only says which keys were touched.
  std::erase_if(models.models, [](const auto& model) { return model.file.watch; });
  std::map<std::string, std::string> sources;
  for (const auto& source : pipeline_().sources)
    for (const auto& table : source.tables) sources[table.table] = source.source;
  auditor_.replace(TRY(models::define_audits(client, models, files)), std::move(sources));
  std::lock_guard lock(mutex_);
  models_ = std::move(models);
  return {};
}

void ModelWatch::start() {
  auditor_.start();
}
void ModelWatch::stop() {
  auditor_.stop();
}
void ModelWatch::on_cut(const ingest::CutEvent& cut) {
  auditor_.on_cut(cut.tables);
}

void ModelWatch::on_refresh(const std::string& model) {
  std::vector<std::string> names;
  {
    std::lock_guard lock(mutex_);
    names = models_.downstream_of(model);
  }
  names.push_back(model);
  auditor_.ask_again(names);
}

// Holds mutex_.
int64_t ModelWatch::lag_of(const ingest::SourceStatus& source) {
  int64_t now = clock_.monotonic_micros();
  if (source.follows()) {
    silent_since_.erase(source.source);
    return source.lag_ms;
  }
  int64_t since = silent_since_.emplace(source.source, now).first->second;
  return std::max(source.lag_ms, (now - since) / 1000);
}

std::vector<serve::ModelStatus> ModelWatch::models(const ingest::PipelineStatus& pipeline) {
  std::vector<models::AuditState> audits = auditor_.states();
  std::lock_guard lock(mutex_);
  std::map<std::string, int64_t> lag_of_table;
  for (const auto& source : pipeline.sources) {
    int64_t lag = lag_of(source);
    for (const auto& table : source.tables) lag_of_table[table.table] = lag;
  }
  auto health = models::health_of(models_, audits);
  std::vector<serve::ModelStatus> list;
  for (const auto& model : models_.models) {
    serve::ModelStatus status{.model = model.name, .kind = models::name(model.kind), .state = "live"};
    for (const auto& table : model.tables_in_depth)
      if (auto found = lag_of_table.find(table); found != lag_of_table.end())
        status.as_of_lag_ms = std::max(status.as_of_lag_ms, found->second);
    status.freshness_ms = model.file.freshness_seconds * 1000;
    bool stale = status.freshness_ms > 0 && status.as_of_lag_ms > status.freshness_ms;
    if (stale && stale_since_.emplace(model.name, clock_.wall_micros()).second)
      log::warn("model {} is stale: {} ms behind, and it allows {} ms", model.name, status.as_of_lag_ms,
                status.freshness_ms);
    if (!stale && stale_since_.erase(model.name) > 0) log::info("model {} is fresh again", model.name);
    const auto& of_model = health.at(model.name);
    for (const auto& audit : of_model.audits) status.audits.push_back(status_of(audit));
    if (of_model.failed) {
      status.state = "failed";
      status.reason = of_model.reason;
      status.since_micros = of_model.since_micros;
      status.cuts = of_model.cuts;
    } else if (stale) {
      status.state = "stale";
      status.reason =
          fmt::format("{} ms behind, and it allows {} ms", status.as_of_lag_ms, status.freshness_ms);
      status.since_micros = stale_since_.at(model.name);
    }
    list.push_back(std::move(status));
  }
  return list;
}

std::vector<serve::AuditStatus> ModelWatch::audits() const {
  std::vector<serve::AuditStatus> list;
  for (const auto& state : auditor_.states()) list.push_back(status_of(state));
  return list;
}

}  // namespace tidemark::cli
