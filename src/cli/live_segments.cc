#include "cli/live_segments.h"

#include "base/log.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/segment_outbox.h"
#include "clickhouse/schema.h"
#include "models/query_settings.h"
#include "segments/membership_limits.h"
#include "segments/watched_query.h"

#include <fmt/ranges.h>

namespace tidemark::cli {

models::WatchHooks LiveSegments::hooks() {
  return {.touched = [this](clickhouse::Client& client,
                            const models::TouchedKeys& touched) { return this->touched(client, touched); },
          .all_touched = [this](clickhouse::Client&, const models::CompiledModel& model) -> Status {
            if (!evaluator_) return {};
            return evaluator_->all_touched(group_of(model), "backfill");
          }};
}

Status LiveSegments::start(const config::Project& project, notify::DeliveryService* deliveries, bool shared) {
  segments::SegmentFiles files = segments::load_segments(project.root, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  if (!files.definitions.empty() && (shared || pool_.endpoint().cluster))
    return fail(
        ErrorKind::unsupported,
        shared ? "segments over a source with slots: each process would keep the same memberships"
               : "segments on a cluster are not built yet",
        shared ? "write `slots: 1` and run one process, or take segments/ out" : "take segments/ out");
  if (auto unknown = unknown_destinations(files.definitions, TRY(config::load_destinations(project.root)));
      !unknown.empty())
    return fail(ErrorKind::config, config::render(unknown));
  auto client = pool_.lease();
  bool known = TRY(clickhouse::table_exists(*client, "tidemark", "segment_versions"));
  if (files.definitions.empty() && !known) return {};
  evaluator_ = std::make_unique<segments::Evaluator>(
      pool_, system_clock(),
      segments::EvaluatorHooks{
          .changed =
              [deliveries] {
                if (deliveries != nullptr) deliveries->wake();
              },
          .while_whole = [this](const std::function<Status()>& action) { return gate_.run(action); }},
      stopping_);
  TRY_VOID(evaluator_->prepare(deliveries != nullptr ? TRY(deliveries->outbox().newest()) : 0));
  TRY_VOID(connect_outbox(*client, deliveries != nullptr));
  auto options = segments::compile_options(files, TRY(event_tables(*client, project)), "UTC");
  std::vector<segments::Problem> problems;
  TRY_VOID(evaluator_->replace(files.definitions, options, problems));
  if (!problems.empty()) {
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& problem : problems)
      diagnostics.push_back({.where = problem.where, .message = problem.message, .remedy = problem.remedy});
    return fail(ErrorKind::config, config::render(diagnostics));
  }
  for (const auto& group : evaluator_->groups()) {
    groups_[segments::watch_model(group)] = group;
    // A cut that a kill had interrupted was finished before there was anybody to tell.
    if (missed_) TRY_VOID(evaluator_->all_touched(group, "event"));
  }
  if (!files.definitions.empty())
    log::info("{} are kept current", counted(files.definitions.size(), "segment"));
  return {};
}

void LiveSegments::begin_clock() {
  if (!evaluator_ || clock_.joinable()) return;
  clock_ = std::thread([this] { evaluator_->run_timers(); });
}

void LiveSegments::stop() {
  if (!clock_.joinable()) return;
  evaluator_->stop();
  clock_.join();
}

std::string LiveSegments::group_of(const models::CompiledModel& model) const {
  auto found = groups_.find(model.file.name);
  return found == groups_.end() ? "" : found->second;
}

Status LiveSegments::touched(clickhouse::Client& client, const models::TouchedKeys& touched) {
  if (!evaluator_) missed_ = true;
  std::string group = group_of(touched.model);
  if (group.empty()) return {};
  if (touched.keys > segments::limits::entities_by_key_max) return evaluator_->all_touched(group, "event");
  std::vector<std::string> texts, entities;
  for (const auto& column : touched.model.file.key)
    texts.push_back(fmt::format("ifNull(toString({}), '')", clickhouse::quote_identifier(column)));
  std::string entity =
      texts.size() == 1 ? texts.front() : fmt::format("toJSONString([{}])", fmt::join(texts, ", "));
  clickhouse::QueryOptions options;
  options.settings = models::model_query_settings();
  options.parameters = {
      {"cut", std::to_string(touched.cut)}, {"key_offset", "0"}, {"key_count", std::to_string(touched.keys)}};
  TRY_VOID(client.query_blocks("SELECT " + entity + " FROM (" + touched.model.keyed.touched_keys + ")",
                               options, [&](const Block& block) -> Status {
                                 for (size_t row = 0; row < block.rows(); ++row)
                                   entities.emplace_back(block.columns[0].text(row));
                                 return {};
                               }));
  return evaluator_->touched(group, entities, "event");
}

}  // namespace tidemark::cli
