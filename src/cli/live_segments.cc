#include "cli/live_segments.h"

#include "base/log.h"
#include "cli/output.h"
#include "cli/project_models.h"
#include "cli/segment_outbox.h"
#include "cli/segment_views.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "models/query_settings.h"
#include "segments/manual_lists.h"
#include "segments/membership_limits.h"
#include "segments/segment_references.h"
#include "segments/stored_definitions.h"
#include "segments/watched_query.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <unistd.h>

namespace tidemark::cli {

namespace {

// A deployment of the user's own may be under way.
constexpr std::chrono::milliseconds again_after{500};
// What only a person can mend.
constexpr std::chrono::milliseconds mended_after{10'000};
// Who saves a segment waits for an answer; what is not in force by then is tried again behind it.
constexpr int64_t deployment_wait_us = 5'000'000;

size_t kept_bytes() {
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)) /
         segments::limits::kept_memory_share;
}

}  // namespace

models::WatchHooks LiveSegments::hooks() {
  return {.touched = [this](clickhouse::Client& client,
                            const models::TouchedKeys& touched) { return this->touched(client, touched); },
          .all_touched = [this](clickhouse::Client&, const models::CompiledModel& model) -> Status {
            auto* evaluator = this->evaluator();
            if (evaluator == nullptr) {
              missed_ = true;
              return {};
            }
            return evaluator->all_touched(group_of(model), "backfill");
          }};
}

Status LiveSegments::start(const config::Project& project, const Surroundings& around) {
  project_ = &project;
  deliveries_ = around.deliveries;
  bool shared = around.shared;
  files_ = segments::load_segments(project.root, false);
  if (!files_.errors.empty()) return fail(ErrorKind::config, config::render(files_.errors));
  refused_here_ = shared || pool_.endpoint().cluster;
  if ((!files_.definitions.empty() || !project.criteria_tables.empty()) && refused_here_)
    return fail(
        ErrorKind::unsupported,
        shared ? "segments over a source with slots: each process would keep the same memberships"
               : "segments on a cluster are not built yet",
        shared ? "write `slots: 1` and run one process, or take segments/ out" : "take segments/ out");
  auto destinations = TRY(config::load_destinations(project.root));
  if (auto unknown = unknown_destinations(files_.definitions, destinations); !unknown.empty())
    return fail(ErrorKind::config, config::render(unknown));
  for (const auto& table : project.criteria_tables)
    for (const auto& name : table.notify)
      if (std::none_of(destinations.begin(), destinations.end(),
                       [&](const auto& destination) { return destination.name == name; }))
        return fail(ErrorKind::config,
                    fmt::format("{}: segments of {} notify `{}`, and there is no such destination",
                                table.where.describe(), table.table, name),
                    "add destinations/" + name + ".yaml, or take the name out of `notify`");
  {
    std::lock_guard lock(mutex_);
    for (const auto& table : project.criteria_tables) {
      std::string mirror = table.table;
      std::replace(mirror.begin(), mirror.end(), '.', '_');
      criteria_.insert("bronze." + mirror);
    }
  }
  auto client = pool_.lease();
  bool known = !refused_here_ && TRY(clickhouse::table_exists(*client, "tidemark", "segment_versions"));
  if (files_.definitions.empty() && project.criteria_tables.empty() && !known) return {};
  std::vector<std::string> let_go;
  if (!refused_here_) let_go = TRY(take_up_held(around.captured));
  segments::SegmentFiles all = TRY(load(*client));
  TRY_VOID(bring(*client, std::move(all)));
  std::set<std::string> over = groups_over({let_go.begin(), let_go.end()});
  std::lock_guard copying(copying_);
  std::lock_guard lock(mutex_);
  for (const auto& [model, group] : groups_)
    // A cut that a kill had interrupted was finished before there was anybody to tell.
    if (missed_ || over.contains(group)) TRY_VOID(evaluator_->all_touched(group, "event"));
  TRY_VOID(copied_.forget(let_go));
  if (!current_.definitions.empty())
    log::info("{} are kept current", counted(current_.definitions.size(), "segment"));
  return {};
}

Status LiveSegments::make_evaluator(clickhouse::Client& client) {
  if (evaluator() != nullptr) return {};
  std::lock_guard numbering(numbering_);
  auto made = std::make_unique<segments::Evaluator>(
      pool_, system_clock(),
      segments::EvaluatorHooks{
          .changed =
              [this] {
                if (deliveries_ != nullptr) deliveries_->wake();
              },
          .written =
              [this](uint64_t after, const std::vector<segments::MembershipChange>& changes) {
                if (deliveries_ != nullptr) deliveries_->take(outbox_rows(after, changes));
              },
          .while_whole = [this](const std::function<Status()>& action) { return gate_.run(action); },
          .kept_bytes_max = kept_bytes()},
      stopping_);
  TRY_VOID(made->prepare(deliveries_ != nullptr ? TRY(deliveries_->outbox().newest()) : 0));
  TRY_VOID(connect_outbox(client, deliveries_ != nullptr));
  TRY_VOID(segments::ManualLists(client).create());
  // Nothing of ours reads them, and a server of the user's own may have its rules.
  if (auto views = make_segment_views(client); !views)
    log::warn("cdp.segment_membership and cdp.notifications are not made: {}", views.error().describe());
  std::lock_guard lock(mutex_);
  evaluator_ = std::move(made);
  if (begun_ && !ending_) clock_ = std::thread([this] { evaluator_->run_timers(); });
  return {};
}

// What the warehouse takes of what lies in it, with the files.
Result<segments::SegmentFiles> LiveSegments::load(clickhouse::Client& client) {
  segments::SegmentFiles all = files_;
  TRY_VOID(segments::add_stored(client, *project_, all));
  auto destinations = TRY(config::load_destinations(project_->root));
  std::vector<std::pair<std::string, std::string>> lost;
  for (const auto& definition : all.definitions)
    if (all.stored.contains(definition.name))
      if (auto unknown = unknown_destinations({definition}, destinations); !unknown.empty())
        lost.emplace_back(definition.name, unknown.front().message);
  for (auto& [name, reason] : lost) all.leave_out(name, std::move(reason));
  auto options = segments::compile_options(all, TRY(event_tables(client, *project_)), "UTC");
  TRY_VOID(segments::leave_out_unfit(client, all, options, fit_));
  return all;
}

Status LiveSegments::bring(clickhouse::Client& client, segments::SegmentFiles all) {
  TRY_VOID(make_evaluator(client));
  auto options = segments::compile_options(all, TRY(event_tables(client, *project_)), "UTC");
  std::string watched;
  for (const auto& model : TRY(watched_models(client, *project_, all)))
    watched += model.name + "\n" + model.sql + "\n";
  // Watched first: from then on nothing that the new definitions read goes by unseen. At the start they are.
  if (deploy_ && watched != watched_) {
    TRY_VOID(deploy_watched());
    doubt();
  }
  watched_ = std::move(watched);
  {
    std::lock_guard lock(mutex_);
    for (const auto& definition : all.definitions) {
      std::string group = segments::group_name(definition, options);
      groups_[segments::watch_model(group)] = group;
    }
  }
  hold_over(std::nullopt);
  std::vector<segments::Problem> problems;
  TRY_VOID(evaluator()->replace(all.definitions, options, problems));
  if (!problems.empty()) {
    // Each is found once for every way to ask.
    std::vector<config::Diagnostic> diagnostics;
    std::set<std::string> told;
    for (const auto& problem : problems)
      if (told.insert(problem.where.describe() + problem.message).second)
        diagnostics.push_back({.where = problem.where, .message = problem.message, .remedy = problem.remedy});
    return fail(ErrorKind::config, config::render(diagnostics));
  }
  TRY_VOID(put_away(all));
  std::lock_guard lock(mutex_);
  current_ = std::move(all);
  return {};
}

std::set<std::string> LiveSegments::groups_over(const std::set<std::string>& tables) const {
  std::map<std::string, std::string> groups;
  {
    std::lock_guard lock(mutex_);
    groups = groups_;
  }
  std::vector<std::string> names(tables.begin(), tables.end());
  lineage_.add_kept(names);
  std::set<std::string> over;
  if (names.empty()) return over;
  for (const auto& [model, group] : groups) {
    auto read = lineage_.reads(model);
    if (read.empty() ||
        std::any_of(names.begin(), names.end(), [&](const auto& name) { return read.contains(name); }))
      over.insert(group);
  }
  return over;
}

// Of the same tables as before: groups may be others.
void LiveSegments::hold_over(std::optional<std::set<std::string>> tables) {
  std::lock_guard lock(holding_);
  if (tables) waiting_ = std::move(*tables);
  if (auto* made = evaluator()) made->hold(groups_over(waiting_));
}

// Tables that a kill left half copied. Those that the project has no more will never be whole: nobody waits
// for them any longer. Returns these.
Result<std::vector<std::string>> LiveSegments::take_up_held(const std::set<std::string>& captured) {
  std::lock_guard lock(copying_);
  std::vector<std::string> gone;
  for (const auto& table : TRY(copied_.held()))
    if (!captured.contains(table)) gone.push_back(table);
  for (const auto& table : gone)
    log::warn(
        "{} was being copied and is not in the project any more: segments over it go by the rows that it has",
        table);
  std::set<std::string> held = TRY(copied_.held());
  for (const auto& table : gone) held.erase(table);
  hold_over(std::move(held));
  return gone;
}

Status LiveSegments::before_copy(const std::vector<std::string>& tables) {
  if (pool_.endpoint().cluster) return {};
  std::lock_guard lock(copying_);
  TRY_VOID(copied_.add(tables));
  hold_over(TRY(copied_.held()));
  return {};
}

Status LiveSegments::after_copy(const std::vector<std::string>& tables) {
  if (pool_.endpoint().cluster) return {};
  std::lock_guard lock(copying_);
  std::set<std::string> held = TRY(copied_.held()), left = held;
  for (const auto& table : tables) left.erase(table);
  if (left == held) return {};
  const char* cause = TRY(copied_.copied_before(tables)) ? "event" : "backfill";
  hold_over(left);
  auto evaluated = [&]() -> Status {
    auto* made = evaluator();
    if (made == nullptr) return {};
    if (made->left_out()) TRY_VOID(reload());
    for (const auto& group : groups_over({tables.begin(), tables.end()}))
      TRY_VOID(made->all_touched(group, cause));
    return {};
  }();
  // It is tried again, and until then nobody is told.
  if (!evaluated) hold_over(held);
  return evaluated ? copied_.remove(tables) : evaluated;
}

// The user's own deployment goes first.
Status LiveSegments::deploy_watched() {
  int64_t deadline = system_clock().monotonic_micros() + deployment_wait_us;
  while (true) {
    Status deployed = deploy_();
    bool busy = !deployed && deployed.error().kind == ErrorKind::conflict;
    if (!busy || stopping_ || system_clock().monotonic_micros() > deadline) return deployed;
    std::this_thread::sleep_for(again_after);
  }
}

// Wrong rows are in quarantine like those of every source.
Status LiveSegments::put_away(const segments::SegmentFiles& all) {
  std::vector<ingest::QuarantinedRow> rows;
  std::set<std::string> refused;
  for (const auto& one : all.refused) {
    std::string known = one.segment + "\n" + one.reason;
    refused.insert(known);
    if (one.origin == "api" || told_.contains(known)) continue;
    log::warn("segment {} of {} is refused: {}", one.segment, one.origin, one.reason);
    std::string mirror = one.origin;
    std::replace(mirror.begin(), mirror.end(), '.', '_');
    rows.push_back({.source = one.origin,
                    .table = mirror,
                    .column = "definition",
                    .reason = one.reason,
                    .bytes = one.segment,
                    .lsn = std::hash<std::string>()(known)});
  }
  told_ = std::move(refused);
  if (rows.empty()) return {};
  ingest::StateStore store(pool_, ingest::farewell_policy(), stopping_);
  return store.quarantine(rows);
}

Status LiveSegments::reload() {
  std::lock_guard lock(reloading_);
  if (refused_here_)
    return fail(ErrorKind::unsupported, "segments are not kept on a cluster or over sources with slots",
                "keep them in a project of one process and one server");
  auto brought = [&]() -> Status {
    auto client = pool_.lease();
    return bring(*client, TRY(load(*client)));
  }();
  if (brought) return brought;
  std::lock_guard asking(mutex_);
  asked_ = true;
  changed_.notify_all();
  return brought;
}

Status LiveSegments::in_order(const std::function<Status(uint64_t&)>& write) {
  std::unique_lock numbering(numbering_);
  if (auto* made = evaluator()) {
    numbering.unlock();
    return made->in_order(write);
  }
  uint64_t newest = TRY(deliveries_->outbox().newest());
  return write(newest);
}

namespace {

bool asks_for(const std::vector<segments::Node>& nodes, const std::string& list) {
  return std::any_of(nodes.begin(), nodes.end(), [&](const segments::Node& node) {
    if (auto* all = std::get_if<segments::All>(&node.condition)) return asks_for(all->children, list);
    if (auto* any = std::get_if<segments::Any>(&node.condition)) return asks_for(any->children, list);
    if (auto* negation = std::get_if<segments::Not>(&node.condition)) return asks_for(negation->child, list);
    // Whose users or related rows are in it: another key than ours.
    if (auto* in = std::get_if<segments::InList>(&node.condition)) return in->list == list;
    return false;
  });
}

}  // namespace

Status LiveSegments::list_changed(const std::string& list, const std::vector<std::string>& keys) {
  segments::SegmentFiles current = definitions();
  auto* made = evaluator();
  if (made == nullptr) return {};
  auto options = segments::compile_options(current, TRY(event_tables(*pool_.lease(), *project_)), "UTC");
  std::set<std::string> groups;
  std::vector<segments::Problem> problems;
  for (const auto& definition : current.definitions)
    if (asks_for({segments::expanded(definition, options, problems)}, list))
      groups.insert(segments::group_name(definition, options));
  for (const auto& group : groups)
    TRY_VOID(keys.empty() ? made->all_touched(group, "event") : made->touched(group, keys, "event"));
  return {};
}

void LiveSegments::begin(std::function<Status()> deploy) {
  {
    std::lock_guard lock(reloading_);
    deploy_ = std::move(deploy);
  }
  std::lock_guard lock(mutex_);
  if (begun_) return;
  begun_ = true;
  if (evaluator_) clock_ = std::thread([this] { evaluator_->run_timers(); });
  follower_ = std::thread([this] { follow(); });
}

void LiveSegments::on_cut(const std::vector<std::string>& tables) {
  std::lock_guard lock(mutex_);
  if (std::none_of(tables.begin(), tables.end(),
                   [&](const auto& table) { return criteria_.contains(table); }))
    return;
  asked_ = true;
  changed_.notify_all();
}

void LiveSegments::follow() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait(lock, [&] { return asked_ || ending_; });
    if (ending_) return;
    asked_ = false;
    lock.unlock();
    Status done = reload();
    lock.lock();
    if (done || ending_) continue;
    log::warn("segments: what lies in the warehouse waits to come into force: {}", done.error().describe());
    ErrorKind kind = done.error().kind;
    bool passes = kind == ErrorKind::conflict || kind == ErrorKind::dependency_down ||
                  kind == ErrorKind::unknown_outcome;
    changed_.wait_for(lock, passes ? again_after : mended_after, [&] { return ending_; });
  }
}

void LiveSegments::stop() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    if (evaluator_) evaluator_->stop();
  }
  if (follower_.joinable()) follower_.join();
  if (clock_.joinable()) clock_.join();
}

segments::SegmentFiles LiveSegments::definitions() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::vector<segments::SegmentCounts> LiveSegments::counts() const {
  auto* made = evaluator();
  return made != nullptr ? made->counts() : std::vector<segments::SegmentCounts>();
}

segments::Evaluator* LiveSegments::evaluator() const {
  std::lock_guard lock(mutex_);
  return evaluator_.get();
}

std::string LiveSegments::group_of(const models::CompiledModel& model) const {
  std::lock_guard lock(mutex_);
  auto found = groups_.find(model.file.name);
  return found == groups_.end() ? "" : found->second;
}

Status LiveSegments::touched(clickhouse::Client& client, const models::TouchedKeys& touched) {
  auto* evaluator = this->evaluator();
  if (evaluator == nullptr) missed_ = true;
  std::string group = group_of(touched.model);
  if (group.empty() || evaluator == nullptr) return {};
  std::vector<std::string> texts, read;
  for (const auto& table : touched.tables) {
    std::string name = table.starts_with("bronze.") ? table : "bronze." + table;
    if (touched.model.tables_in_depth.contains(name)) read.push_back(std::move(name));
  }
  for (const auto& column : touched.model.file.key)
    texts.push_back(fmt::format("ifNull(toString({}), '')", clickhouse::quote_identifier(column)));
  std::string entity =
      texts.size() == 1 ? texts.front() : fmt::format("toJSONString([{}])", fmt::join(texts, ", "));
  auto ask = [&]() -> Result<std::vector<std::string>> {
    std::vector<std::string> entities;
    clickhouse::QueryOptions options;
    options.settings = models::model_query_settings();
    options.parameters = {{"cut", std::to_string(touched.cut)},
                          {"key_offset", "0"},
                          {"key_count", std::to_string(segments::limits::entities_by_key_max + 1)}};
    TRY_VOID(client.query_blocks("SELECT " + entity + " FROM (" + touched.model.keyed.touched_keys + ")",
                                 options, [&](const Block& block) -> Status {
                                   for (size_t row = 0; row < block.rows(); ++row)
                                     entities.emplace_back(block.columns[0].text(row));
                                   return {};
                                 }));
    return entities;
  };
  if (TRY(evaluator->happened(group, touched.cut, read, ask, "event"))) return {};
  auto entities = TRY(ask());
  if (entities.size() > segments::limits::entities_by_key_max) return evaluator->all_touched(group, "event");
  return evaluator->touched(group, std::move(entities), "event");
}

ingest::RowWatch LiveSegments::rows() {
  return {.begins =
              [this](const std::string& source, uint64_t cut, bool repeated) {
                if (auto* made = evaluator()) made->cut_begins(source, cut, repeated);
              },
          .part_in =
              [this](const std::string& source, uint64_t cut, const std::string& table, const Block* added) {
                if (auto* made = evaluator()) made->part_goes_in(source, cut, "bronze." + table, added);
              },
          .failed = [this] { doubt(); }};
}

void LiveSegments::doubt() {
  if (auto* made = evaluator()) made->doubt();
}

}  // namespace tidemark::cli
