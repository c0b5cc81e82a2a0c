#include "cli/live_erasures.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/live_profiles.h"
#include "cli/output.h"
#include "cli/redaction_run.h"
#include "clickhouse/schema.h"
#include "config/webhook_source.h"
#include "profiles/erasure_limits.h"
#include "profiles/id_reader.h"
#include "profiles/profile_export.h"

#include <algorithm>
#include <boost/json.hpp>
#include <limits>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using profiles::Deletion;
using profiles::DeletionStage;

// Deletions of people are under the name of their profiles, which has no slash.
constexpr std::string_view redactions_folder = "redactions/";

bool is_redaction(const Deletion& deletion) {
  return deletion.profiles.starts_with(redactions_folder);
}

}  // namespace

std::string deletion_document(const Deletion& deletion) {
  json::object object{{"deletion", deletion.number},   {"stage", profiles::name(deletion.stage)},
                      {"profiles", deletion.profiles}, {"asked_at", moment_text(deletion.asked_at)},
                      {"asked_by", deletion.asked_by}, {"reason", deletion.reason}};
  if (is_redaction(deletion)) {
    object.erase("profiles");
    object["redaction"] = deletion.profiles.substr(redactions_folder.size());
  }
  if (deletion.stage != DeletionStage::done) return json::serialize(object);
  object["done_at"] = moment_text(deletion.done_at);
  boost::system::error_code error;
  auto receipt = json::parse(deletion.receipt, error);
  if (!error && receipt.is_object())
    for (auto& [key, value] : receipt.as_object()) object[key] = std::move(value);
  return json::serialize(object);
}

Status LiveErasures::open() {
  files_ = profiles::load_profiles(project_.root, false);
  if (!files_.errors.empty()) return fail(ErrorKind::config, config::render(files_.errors));
  redactions_ = TRY(redactions_of(project_));
  if (!redactions_.errors.empty()) return fail(ErrorKind::config, config::render(redactions_.errors));
  if (pool_.endpoint().cluster || (files_.definitions.empty() && redactions_.redactions.empty())) return {};
  for (const auto& one : files_.definitions) event_tables_[one.name()] = TRY(event_tables_of(one, project_));
  TRY_VOID(profiles::DeletionStore(pool_).prepare());
  if (!files_.definitions.empty()) suppressions_ = TRY(profiles::Suppressions::open(pool_, project_.root));
  opened_ = true;
  return {};
}

Result<profiles::RedactionFiles> redactions_of(const config::Project& project) {
  std::vector<std::string> tables;
  for (const auto& source : TRY(config::load_webhook_sources(project.root)))
    tables.push_back(source.events.table);
  return profiles::load_redactions(project, tables);
}

void LiveErasures::attach(const ingest::EventDoors& doors) {
  if (!suppressions_) return;
  for (const auto& door : doors)
    door->set_filter({.event = [this, table = door->source().table](
                                   const ingest::EventRow& event) { return leaves_out(table, event); },
                      .line = [this](std::string_view table,
                                     std::string_view line) { return leaves_out_line(table, line); }});
}

bool LiveErasures::leaves_out(const std::string& event_table, const ingest::EventRow& event) {
  if (!suppressions_->any()) return false;
  for (const auto& one : files_.definitions) {
    const auto& tables = event_tables_.at(one.name());
    if (std::find(tables.begin(), tables.end(), event_table) == tables.end()) continue;
    if (suppressions_->suppressed(one.name(), profiles::strongest_id(one, event))) return true;
  }
  return false;
}

bool LiveErasures::leaves_out_line(std::string_view table, std::string_view line) {
  if (!suppressions_->any()) return false;
  for (const auto& one : files_.definitions)
    for (const auto& about : one.tables)
      if (about.table == table &&
          suppressions_->suppressed(one.name(), profiles::strongest_id(one, about, line)))
        return true;
  return false;
}

Result<const profiles::Definition*> LiveErasures::definition(const std::string& profiles) const {
  const profiles::Definition* found = profiles.empty() && files_.definitions.size() == 1
                                          ? &files_.definitions.front()
                                          : files_.find(profiles);
  if (found == nullptr || !suppressions_)
    return fail(ErrorKind::config,
                profiles.empty() ? "say which profiles" : fmt::format("there are no profiles `{}`", profiles),
                "files of the folder profiles/ declare them");
  return found;
}

Result<uint64_t> LiveErasures::ask(const Ask& ask) {
  const auto* asked_of = TRY(definition(ask.profiles));
  std::string person = TRY(profiles::find_profile(*pool_.lease(), *asked_of, ask.id));
  if (person.empty())
    return fail(ErrorKind::config, fmt::format("nobody is known as `{}`", ask.id),
                "an id with its kind, like user_id:42 or email:ann@example.com, or a profile_id");
  std::lock_guard lock(mutex_);
  Deletion deletion{.number = TRY(next_number()),
                    .profiles = asked_of->name(),
                    .reason = ask.reason,
                    .asked_by = ask.asked_by,
                    .asked_at = system_clock().wall_micros(),
                    .asked = ask.id,
                    .people = {person},
                    .receipt = {}};
  if (std::string id = profiles::canonical_id(*asked_of, ask.id); !id.empty()) deletion.ids.push_back(id);
  TRY_VOID(profiles::DeletionStore(pool_).save(deletion));
  ++open_;
  asked_ = true;
  changed_.notify_all();
  return deletion.number;
}

// With mutex_ held.
Result<uint64_t> LiveErasures::next_number() {
  uint64_t number = 0;
  for (const auto& one : TRY(profiles::DeletionStore(pool_).all())) number = std::max(number, one.number);
  return number + 1;
}

Result<std::string> LiveErasures::document(uint64_t number) {
  if (!opened_) TRY_VOID(definition(""));
  for (const auto& one : TRY(profiles::DeletionStore(pool_).all()))
    if (one.number == number) return deletion_document(one);
  return fail(ErrorKind::config, fmt::format("there is no deletion {}", number));
}

Result<std::string> LiveErasures::documents() {
  std::string text = "{\"deletions\":[";
  if (opened_)
    for (const auto& one : TRY(profiles::DeletionStore(pool_).all()))
      text += (text.ends_with('[') ? "" : ",") + deletion_document(one);
  return text + "]}";
}

Result<std::string> LiveErasures::id_of(const profiles::Definition& of, const std::string& id) const {
  std::string canonical = profiles::canonical_id(of, id);
  if (canonical.empty())
    return fail(ErrorKind::config, fmt::format("`{}` is no id of {}", id, of.name()),
                "write it with its kind, like user_id:42 or email:ann@example.com");
  return canonical;
}

Status LiveErasures::suppress(const std::string& profiles, const std::string& id, bool suppressed) {
  const auto* of = TRY(definition(profiles));
  std::string canonical = TRY(id_of(*of, id));
  return hooks_.at_doors([&] { return suppressions_->put(of->name(), {canonical}, suppressed, 0); });
}

Result<std::vector<std::pair<std::string, std::string>>> LiveErasures::decide(const std::string& profiles,
                                                                              const std::string& one,
                                                                              const std::string& other,
                                                                              bool apart) {
  const auto* of = TRY(definition(profiles));
  std::string first = TRY(id_of(*of, one)), second = TRY(id_of(*of, other));
  if (first == second)
    return fail(ErrorKind::usage, "these are one id", "name two that are to be kept apart");
  std::pair<std::string, std::string> places;
  TRY_VOID(hooks_.at_barrier([&]() -> Status {
    places = TRY(hooks_.decide(of->name(), first, second, apart));
    return {};
  }));
  return std::vector<std::pair<std::string, std::string>>{{first, places.first}, {second, places.second}};
}

Status LiveErasures::finish_correction() {
  if (!opened_) return {};
  for (auto& deletion : TRY(profiles::DeletionStore(pool_).all())) {
    if (deletion.stage != DeletionStage::done) ++open_;
    if (deletion.stage != DeletionStage::correcting) continue;
    if (is_redaction(deletion)) {
      log::info("redaction {} is gone on with: what was made of the rows is corrected", deletion.number);
      TRY_VOID(RedactionRun(pool_, project_, redactions_.find(deletion.profiles), hooks_, stopping_)
                   .correct(deletion));
      continue;
    }
    const auto* of = TRY(definition(deletion.profiles));
    log::info("deletion {} is gone on with: what was made of the rows is corrected", deletion.number);
    TRY_VOID(ErasureRun(pool_, project_, *of, event_tables_.at(of->name()), *suppressions_, hooks_, stopping_)
                 .correct(deletion));
  }
  return {};
}

void LiveErasures::start() {
  if (opened_) worker_ = std::thread([this] { work(); });
}

void LiveErasures::stop() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

void LiveErasures::on_cut(const std::vector<std::string>& tables) {
  if (!opened_ || redactions_.redactions.empty()) return;
  std::lock_guard lock(mutex_);
  bool first = touched_.empty();
  for (const auto& table : tables) touched_.insert(table.starts_with("bronze.") ? table : "bronze." + table);
  if (first) changed_.notify_all();
}

Status LiveErasures::run_all() {
  for (auto& deletion : TRY(profiles::DeletionStore(pool_).all())) {
    if (deletion.stage == DeletionStage::done || stopping_) continue;
    TRY_VOID(run(deletion));
  }
  return {};
}

Status LiveErasures::run(Deletion& deletion) {
  int64_t began = system_clock().monotonic_micros();
  const bool redaction = is_redaction(deletion);
  std::string what = fmt::format("{} {}", redaction ? "redaction" : "deletion", deletion.number);
  auto in_stage = [&](Status done) -> Status {
    if (done) return done;
    return fail(std::move(done.error()).in(fmt::format("{} ({})", what, profiles::name(deletion.stage))));
  };
  if (redaction) {
    auto right =
        RedactionRun(pool_, project_, redactions_.find(deletion.profiles), hooks_, stopping_).run(deletion);
    if (!right) return in_stage(tl::unexpected<Error>(std::move(right.error())));
    if (!*right && refused_.insert_or_assign(deletion.profiles, std::numeric_limits<int64_t>::max()).second)
      log::error(
          "{}.sql gives rows again that it has rewritten; it is not asked any more until the next start. Its "
          "SELECT must leave out rows that say already what they are to say",
          deletion.profiles);
  } else {
    const auto* of = TRY(definition(deletion.profiles));
    ErasureRun run(pool_, project_, *of, event_tables_.at(of->name()), *suppressions_, hooks_, stopping_);
    TRY_VOID(in_stage(run.run(deletion)));
  }
  --open_;
  log::info("{} is done, in {:.1f} s", what,
            static_cast<double>(system_clock().monotonic_micros() - began) / 1e6);
  return {};
}

Status LiveErasures::redact(const profiles::Redaction& redaction) {
  Deletion deletion{.number = 0,
                    .profiles = redaction.slug(),
                    .reason = redaction.description,
                    .asked_by = redaction.table,
                    .asked_at = system_clock().wall_micros(),
                    .asked = redaction.table,
                    .receipt = {}};
  {
    std::lock_guard lock(mutex_);
    deletion.number = TRY(next_number());
    TRY_VOID(profiles::DeletionStore(pool_).save(deletion));
    ++open_;
  }
  return run(deletion);
}

Status LiveErasures::look(const std::set<std::string>& touched, bool all) {
  for (const auto& redaction : redactions_.redactions) {
    if (stopping_) return {};
    int64_t now = system_clock().monotonic_micros();
    auto refused = refused_.find(redaction.slug());
    if (refused != refused_.end() && now < refused->second) continue;
    Look& last = looks_[redaction.slug()];
    if (!last.waits && !all) {
      std::set<std::string> reads = hooks_.reads(redaction.sql);
      last.waits = reads.empty() || std::any_of(touched.begin(), touched.end(),
                                                [&](const auto& table) { return reads.contains(table); });
    }
    if (!last.waits && !all) continue;
    Status done = look_at(redaction, last, all);
    if (done) continue;
    // What is wrong with the file is wrong until it, or a model that it reads, is another one.
    if (done.error().kind != ErrorKind::config && done.error().kind != ErrorKind::refused) return done;
    if (refused == refused_.end())
      log::error("{} is asked again every {} s: {}", redaction.slug(),
                 profiles::limits::redaction_look_anyway_us / 1'000'000, done.error().describe());
    refused_[redaction.slug()] = now + profiles::limits::redaction_look_anyway_us;
    last = {.when = {}, .at_us = now, .waits = true};
  }
  return {};
}

Status LiveErasures::look_at(const profiles::Redaction& redaction, Look& last, bool anyway) {
  RedactionRun run(pool_, project_, &redaction, hooks_, stopping_);
  int64_t began = system_clock().monotonic_micros();
  // Before the SELECT: what comes while that runs makes another answer next time.
  std::string when = redaction.when.empty() ? std::string() : TRY(run.when());
  anyway |= last.at_us == 0 || redaction.when.empty() || when != last.when ||
            began - last.at_us >= profiles::limits::redaction_look_anyway_us;
  if (!anyway) return {};
  bool due = TRY(run.due());
  looked_us_ += system_clock().monotonic_micros() - began;
  if (due && open_ > 0) {
    // One that was begun and could not go on comes first: it has the same rows.
    TRY_VOID(run_all());
    due = TRY(run.due());
  }
  if (due) TRY_VOID(redact(redaction));
  if (auto told = refused_.find(redaction.slug());
      told != refused_.end() && told->second != std::numeric_limits<int64_t>::max())
    refused_.erase(told);
  last = {.when = std::move(when), .at_us = began, .waits = false};
  return {};
}

std::chrono::microseconds LiveErasures::until_anyway() const {
  int64_t least = std::numeric_limits<int64_t>::max(), now = system_clock().monotonic_micros();
  for (const auto& [slug, last] : looks_)
    if (last.waits) least = std::min(least, last.at_us + profiles::limits::redaction_look_anyway_us - now);
  return std::chrono::microseconds(std::max<int64_t>(least, 0));
}

void LiveErasures::work() {
  bool all = true;
  std::unique_lock lock(mutex_);
  while (!ending_) {
    auto something = [&] { return asked_ || ending_ || !touched_.empty(); };
    if (std::any_of(looks_.begin(), looks_.end(), [](const auto& one) { return one.second.waits; }))
      changed_.wait_for(lock, until_anyway(), something);
    else
      changed_.wait(lock, something);
    if (ending_) return;
    bool asked = std::exchange(asked_, false);
    auto touched = std::exchange(touched_, {});
    lock.unlock();
    looked_us_ = 0;
    Status done = asked ? run_all() : Status();
    if (done && !stopping_) done = look(touched, all);
    if (done) all = false;
    lock.lock();
    if (!done && !ending_ && !stopping_) {
      log::warn("{}", done.error().describe());
      asked_ = all = true;
      changed_.wait_for(lock, profiles::limits::erasure_try_again, [&] { return ending_; });
    } else if (!redactions_.redactions.empty()) {
      auto pause = std::max<std::chrono::microseconds>(
          profiles::limits::redaction_look_every,
          std::chrono::microseconds(looked_us_) * profiles::limits::redaction_pause_times);
      changed_.wait_for(lock, pause, [&] { return asked_ || ending_; });
    }
  }
}

}  // namespace tidemark::cli
