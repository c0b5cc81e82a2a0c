#include "cli/live_erasures.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/live_profiles.h"
#include "cli/output.h"
#include "clickhouse/schema.h"
#include "profiles/erasure_limits.h"
#include "profiles/id_reader.h"
#include "profiles/profile_export.h"

#include <algorithm>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

namespace json = boost::json;
using profiles::Deletion;
using profiles::DeletionStage;

}  // namespace

std::string deletion_document(const Deletion& deletion) {
  json::object object{{"deletion", deletion.number},   {"stage", profiles::name(deletion.stage)},
                      {"profiles", deletion.profiles}, {"asked_at", moment_text(deletion.asked_at)},
                      {"asked_by", deletion.asked_by}, {"reason", deletion.reason}};
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
  if (files_.definitions.empty() || pool_.endpoint().cluster) return {};
  for (const auto& one : files_.definitions) event_tables_[one.name()] = TRY(event_tables_of(one, project_));
  TRY_VOID(profiles::DeletionStore(pool_).prepare());
  suppressions_ = TRY(profiles::Suppressions::open(pool_, project_.root));
  return {};
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
  profiles::DeletionStore store(pool_);
  uint64_t number = 0;
  for (const auto& one : TRY(store.all())) number = std::max(number, one.number);
  Deletion deletion{.number = number + 1,
                    .profiles = asked_of->name(),
                    .reason = ask.reason,
                    .asked_by = ask.asked_by,
                    .asked_at = system_clock().wall_micros(),
                    .asked = ask.id,
                    .people = {person},
                    .receipt = {}};
  if (std::string id = profiles::canonical_id(*asked_of, ask.id); !id.empty()) deletion.ids.push_back(id);
  TRY_VOID(store.save(deletion));
  ++open_;
  asked_ = true;
  changed_.notify_all();
  return deletion.number;
}

Result<std::string> LiveErasures::document(uint64_t number) {
  TRY_VOID(definition(files_.definitions.empty() ? "" : files_.definitions.front().name()));
  for (const auto& one : TRY(profiles::DeletionStore(pool_).all()))
    if (one.number == number) return deletion_document(one);
  return fail(ErrorKind::config, fmt::format("there is no deletion {}", number));
}

Result<std::string> LiveErasures::documents() {
  std::string text = "{\"deletions\":[";
  if (suppressions_)
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
  if (!suppressions_) return {};
  for (auto& deletion : TRY(profiles::DeletionStore(pool_).all())) {
    if (deletion.stage != DeletionStage::done) ++open_;
    if (deletion.stage != DeletionStage::correcting) continue;
    const auto* of = TRY(definition(deletion.profiles));
    log::info("deletion {} is gone on with: what was made of the rows is corrected", deletion.number);
    TRY_VOID(ErasureRun(pool_, project_, *of, event_tables_.at(of->name()), *suppressions_, hooks_, stopping_)
                 .correct(deletion));
  }
  return {};
}

void LiveErasures::start() {
  if (suppressions_) worker_ = std::thread([this] { work(); });
}

void LiveErasures::stop() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

Status LiveErasures::run_all() {
  for (auto& deletion : TRY(profiles::DeletionStore(pool_).all())) {
    if (deletion.stage == DeletionStage::done || stopping_) continue;
    const auto* of = TRY(definition(deletion.profiles));
    int64_t began = system_clock().monotonic_micros();
    ErasureRun run(pool_, project_, *of, event_tables_.at(of->name()), *suppressions_, hooks_, stopping_);
    if (Status done = run.run(deletion); !done)
      return fail(std::move(done.error())
                      .in(fmt::format("deletion {} ({})", deletion.number, profiles::name(deletion.stage))));
    --open_;
    log::info("deletion {} is done, in {:.1f} s", deletion.number,
              static_cast<double>(system_clock().monotonic_micros() - began) / 1e6);
  }
  return {};
}

void LiveErasures::work() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait(lock, [&] { return asked_ || ending_; });
    if (ending_) return;
    asked_ = false;
    lock.unlock();
    Status done = run_all();
    lock.lock();
    if (done || ending_ || stopping_) continue;
    log::warn("{}", done.error().describe());
    asked_ = true;
    changed_.wait_for(lock, profiles::limits::erasure_try_again, [&] { return ending_; });
  }
}

}  // namespace tidemark::cli
