#include "cli/capture_role.h"

#include "base/log.h"
#include "cli/signals.h"
#include "cli/source_wait.h"
#include "cli/start_patience.h"
#include "config/kafka_output.h"
#include "ingest/capture_pipeline.h"

#include <csignal>

namespace tidemark::cli {
namespace {

// A line now and then says what the page says elsewhere.
constexpr int64_t report_every_us = 60'000'000;

void report(const ingest::SourceStatus& status) {
  uint64_t rows = 0;
  for (const auto& table : status.tables) rows += table.rows_applied;
  log::info("source {}: {}, {} changes published since the start, {} ms behind{}", status.source,
            status.state, rows, status.lag_ms, status.error.empty() ? "" : ": " + status.error);
}

}  // namespace

Status run_capture(const config::Project& project, bool recopy) {
  auto output = TRY(config::load_kafka_output(project.root));
  if (!output)
    return fail(ErrorKind::config, "the project says no Kafka to capture to",
                "add to tidemark.yaml: kafka: { brokers: \"host:9092\", prefix: \"shop\" }");
  if (project.sources.empty())
    return fail(ErrorKind::config, "the project has no Postgres source to capture",
                "add sources/<name>.yaml with `postgres:`");
  std::vector<std::unique_ptr<ingest::CapturePipeline>> pipelines;
  for (const auto& source : project.sources) {
    std::optional<StartPatience> patience(std::in_place);
    while (true) {
      auto pipeline = std::make_unique<ingest::CapturePipeline>(
          ingest::CaptureOptions{.source = source, .output = *output, .recopy = recopy}, system_clock());
      Status prepared = pipeline->prepare();
      if (!prepared && StartPatience::may_mend_itself(prepared.error()) &&
          TRY(SourceWait(project).until_all_answer())) {
        patience.emplace();
        continue;
      }
      if (!prepared && patience->again_after(prepared.error())) continue;
      TRY_VOID(std::move(prepared));
      pipelines.push_back(std::move(pipeline));
      break;
    }
    for (const auto& warning : pipelines.back()->warnings()) log::warn("source {}: {}", source.name, warning);
  }
  for (auto& pipeline : pipelines) pipeline->start();
  int64_t reported = system_clock().monotonic_micros();
  std::optional<Error> error;
  while (!error) {
    int signal = Signals::wait(std::chrono::milliseconds(200));
    if (signal != 0 && signal != SIGHUP) break;
    if (signal == SIGHUP) log::warn("the capture role does not reload its project: start it again");
    for (auto& pipeline : pipelines)
      if (!error) error = pipeline->gave_up();
    int64_t now = system_clock().monotonic_micros();
    if (now - reported < report_every_us) continue;
    reported = now;
    for (auto& pipeline : pipelines) report(pipeline->status());
  }
  log::info("stopping: the cut being published is finished first");
  for (auto& pipeline : pipelines) pipeline->stop();
  if (error) return fail(std::move(*error));
  log::info("stopped");
  return {};
}

}  // namespace tidemark::cli
