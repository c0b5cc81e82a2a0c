#include "base/limits.h"
#include "base/log.h"
#include "segments/canonical.h"
#include "segments/entity_values.h"
#include "segments/evaluator_group.h"
#include "segments/everybody.h"
#include "segments/few_entities.h"
#include "segments/membership_limits.h"
#include "segments/notification_data.h"
#include "segments/profile_entities.h"
#include "segments/segment_limits.h"
#include "segments/segment_references.h"
#include "segments/watched_query.h"

#include <algorithm>
#include <fmt/format.h>
#include <future>
#include <map>
#include <unordered_map>

namespace tidemark::segments {
namespace {

clickhouse::RetryPolicy evaluation_policy() {
  clickhouse::RetryPolicy policy;
  policy.deadline = tidemark::limits::apply_deadline;
  return policy;
}

}  // namespace

void note_next(Timer& timer, int64_t next, const std::string& segment) {
  if (next == never_us) return;
  if (next < timer.due) {
    timer.rest = timer.due;
    timer.due = next;
    timer.segment = segment;
  } else if (next == timer.due) {
    timer.segment.clear();
  } else {
    timer.rest = std::min(timer.rest, next);
  }
}

std::string version_of(const Definition& definition, const CompileOptions& options,
                       std::vector<Problem>& problems) {
  Definition resolved = definition;
  resolved.condition = simplified(expanded(definition, options, problems));
  if (resolved.events.empty()) resolved.events = options.events;
  if (resolved.time_zone.empty()) resolved.time_zone = options.time_zone;
  return fingerprint(resolved);
}

Evaluator::Evaluator(clickhouse::ClientPool& pool, const Clock& clock, EvaluatorHooks hooks,
                     const std::atomic<bool>& stop)
    : pool_(pool),
      clock_(clock),
      hooks_(std::move(hooks)),
      stop_(stop),
      store_(pool, evaluation_policy(), stop) {}
Evaluator::~Evaluator() = default;

Status Evaluator::prepare(uint64_t seq) {
  TRY_VOID(store_.prepare());
  seq_ = std::max(seq, TRY(store_.newest_seq()));
  return {};
}

Status Evaluator::replace(const std::vector<Definition>& definitions, const CompileOptions& given,
                          std::vector<Problem>& problems) {
  CompileOptions options = given;
  std::map<std::string, const Definition*> by_name;
  for (const auto& definition : definitions) by_name[definition.name] = &definition;
  options.lookup = [&](const std::string& name) -> const Definition* {
    auto found = by_name.find(name);
    return found == by_name.end() ? nullptr : found->second;
  };
  for (const auto& [name, definition] : by_name) options.segment_names.push_back(name);
  Turn turn(*this, true);
  std::map<std::string, SegmentVersion> before;
  for (auto& version : TRY(store_.versions())) before[version.segment] = version;

  std::vector<std::shared_ptr<Group>> groups, changed;
  auto lease = pool_.lease();
  Catalog catalog(*lease);
  auto compiled = [&](Group& group) -> Status {
    std::vector<const Definition*> pointers;
    for (const auto& definition : group.definitions) pointers.push_back(&definition);
    group.plans = TRY(plans_of_profiles(*lease, group.definitions.front().entity));
    group.values.assign(group.definitions.size(), std::nullopt);
    for (size_t index = 0; index < group.definitions.size(); ++index)
      if (!group.definitions[index].properties.empty())
        group.values[index] = TRY(entity_values(catalog, group.definitions[index], options, problems));
    group.few = TRY(compile_few(catalog, pointers, options, problems));
    group.alone.clear();
    if (pointers.size() > 1)
      for (const auto* pointer : pointers)
        group.alone.push_back(TRY(compile_few(catalog, {pointer}, options, problems)));
    for (bool by_key : {true, false}) {
      CompileOptions asked = options;
      asked.for_keys = by_key;
      asked.in_slices = !by_key;
      (by_key ? group.some : group.all) =
          diff_query(TRY(compile(catalog, pointers, asked, problems)), group.segments, by_key);
    }
    return {};
  };
  auto add = [](Group& group, const Definition& definition, const std::string& version,
                const std::string& cause) {
    group.definitions.push_back(definition);
    group.segments.push_back(definition.name);
    group.versions.push_back(version);
    group.causes.push_back(cause);
  };
  auto in = [](std::vector<std::shared_ptr<Group>>& list, const std::string& name) -> Group& {
    for (auto& group : list)
      if (group->name == name) return *group;
    list.push_back(std::make_shared<Group>());
    list.back()->name = name;
    return *list.back();
  };
  for (const auto& [name, definition] : by_name) {
    std::string version = version_of(*definition, options, problems);
    std::string group = group_name(*definition, options);
    add(in(groups, group), *definition, version, "");
    auto known = before.find(name);
    bool is_new = known == before.end() || known->second.dropped;
    if (is_new || known->second.version != version)
      add(in(changed, group), *definition, version, is_new ? "backfill" : "edit");
  }
  for (auto* list : {&groups, &changed})
    for (auto& group : *list)
      if (problems.empty()) TRY_VOID(compiled(*group));
  if (!problems.empty()) return {};
  for (auto& group : groups) {
    group->causes.clear();
    TRY_VOID(keep_facts(*group, catalog, options, groups.size()));
    auto until = TRY(store_.looked_until(group->name));
    group->looked_until = until.value_or(clock_.wall_micros());
    // From here on timers are made: whoever starts next must know from when on to look.
    if (!until) TRY_VOID(store_.save_looked_until(group->name, group->looked_until));
    group->next_due = TRY(store_.next_due(group->name, group->looked_until)).value_or(never_us);
  }
  std::set<std::string> held;
  {
    std::lock_guard lock(mutex_);
    held = held_;
  }
  left_out_ = std::any_of(changed.begin(), changed.end(),
                          [&](const auto& group) { return held.contains(group->name); });
  auto bring = [&]() -> Status {
    for (auto& group : changed) {
      if (held.contains(group->name)) continue;
      TRY_VOID(evaluate(*group, nullptr, "edit"));
      TRY_VOID(reached("versions"));
      for (size_t index = 0; index < group->segments.size(); ++index)
        TRY_VOID(store_.save({.segment = group->segments[index],
                              .version = group->versions[index],
                              .entity = group->definitions[index].entity,
                              .definition = canonical_text(group->definitions[index])}));
      Group& whole = in(groups, group->name);
      whole.look_at(group->next_due);
    }
    return {};
  };
  TRY_VOID(hooks_.while_whole ? hooks_.while_whole(bring) : bring());
  for (auto& [name, version] : before)
    if (!by_name.contains(name) && !version.dropped) TRY_VOID(drop(version));
  Block members =
      TRY(pool_.query("SELECT toString(segment), count() FROM tidemark.segment_members FINAL WHERE member = "
                      "1 GROUP BY segment"));
  std::lock_guard lock(mutex_);
  for (auto& [name, count] : counts_) count.members = 0;
  for (size_t row = 0; row < members.rows(); ++row)
    counts_[std::string(members.columns[0].text(row))].members = members.columns[1].get<uint64_t>(row);
  groups_ = std::move(groups);
  want_rows();
  woken_.notify_all();
  return {};
}

// A segment that is no more: everybody leaves it, and nobody is told.
Status Evaluator::drop(SegmentVersion version) {
  Block members = TRY(
      pool_.query("SELECT entity, max(seq) FROM tidemark.segment_changes WHERE segment = {segment:String} "
                  "GROUP BY entity HAVING argMax(entered, seq) = 1",
                  {.parameters = {{"segment", version.segment}}}));
  std::vector<MembershipChange> changes;
  int64_t now = clock_.wall_micros();
  for (size_t row = 0; row < members.rows(); ++row) {
    changes.push_back({.seq = ++seq_,
                       .segment = version.segment,
                       .version = version.version,
                       .entity = std::string(members.columns[0].text(row)),
                       .previous_seq = members.columns[1].get<uint64_t>(row),
                       .cause = "edit",
                       .happened_at = now});
    if (changes.size() == limits::changes_a_block) TRY_VOID(store_.append(std::exchange(changes, {})));
  }
  TRY_VOID(store_.append(changes));
  version.dropped = true;
  return store_.save(version);
}

std::shared_ptr<Evaluator::Group> Evaluator::find(const std::string& name) const {
  std::lock_guard lock(mutex_);
  if (held_.contains(name)) return nullptr;
  for (const auto& group : groups_)
    if (group->name == name) return group;
  return nullptr;
}

void Evaluator::hold(std::set<std::string> groups) {
  Turn turn(*this, true);
  // Nobody kept the facts of those that were held.
  ++doubts_;
  std::lock_guard lock(mutex_);
  held_ = std::move(groups);
  woken_.notify_all();
}

std::vector<std::string> Evaluator::groups() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& group : groups_) names.push_back(group->name);
  return names;
}

Status Evaluator::touched(const std::string& name, std::vector<std::string> entities,
                          const std::string& cause) {
  if (entities.empty()) return {};
  // Each once, and those beside each other in one slice: they lie beside each other in every table too.
  std::sort(entities.begin(), entities.end());
  entities.erase(std::unique(entities.begin(), entities.end()), entities.end());
  // In turn: definitions may be on their way from one set to another.
  Turn turn(*this, true);
  auto group = find(name);
  if (!group) return {};
  if (group->kept)
    for (const auto& entity : entities) group->kept->facts.forget_rows(entity);
  auto evaluated = [&]() -> Status {
    if (entities.size() > limits::entities_by_key_max) return evaluate(*group, nullptr, cause);
    return evaluate_slices(*group, entities, cause, nullptr);
  };
  Status done = hooks_.while_whole ? hooks_.while_whole(evaluated) : evaluated();
  woken_.notify_all();
  return done;
}

Status Evaluator::evaluate_slices(Group& group, const std::vector<std::string>& entities,
                                  const std::string& cause, const FreshEvents* fresh) {
  for (size_t from = 0; from < entities.size(); from += limits::entities_a_slice) {
    std::vector<std::string> slice(entities.begin() + static_cast<ptrdiff_t>(from),
                                   entities.begin() + static_cast<ptrdiff_t>(std::min(
                                                          entities.size(), from + limits::entities_a_slice)));
    TRY_VOID(evaluate(group, &slice, cause, nullptr, fresh));
  }
  return {};
}

Status Evaluator::all_touched(const std::string& name, const std::string& cause) {
  Turn turn(*this, true);
  auto group = find(name);
  if (!group) return {};
  auto evaluated = [&] { return evaluate(*group, nullptr, cause); };
  Status done = hooks_.while_whole ? hooks_.while_whole(evaluated) : evaluated();
  woken_.notify_all();
  return done;
}

Status Evaluator::in_order(const std::function<Status(uint64_t&)>& write) {
  Turn turn(*this, true);
  return write(seq_);
}

Result<bool> Evaluator::find_in_memory(Group& group, const std::vector<std::string>& entities,
                                       const DueSlice* due, int64_t as_of, Found& found) {
  std::optional<size_t> alone = due != nullptr ? due->segment : std::nullopt;
  // Slices wait for each other and for cuts: meanwhile others of these may have become due.
  if (alone && std::any_of(due->timers.begin(), due->timers.end(),
                           [&](const Timer& timer) { return timer.rest <= as_of; }))
    alone.reset();
  std::vector<std::string> names = alone ? std::vector{group.segments[*alone]} : group.segments;
  auto asked = std::async(std::launch::async, [&] { return store_.memberships(names, entities); });
  auto answered = ask_few(pool_, alone ? group.alone[*alone] : group.few, as_of, entities);
  auto memberships = TRY(asked.get());
  auto answers = TRY(std::move(answered));
  if (!answers) return false;
  std::unordered_map<std::string_view, const EntityAnswer*> there;
  for (const auto& answer : *answers) there[answer.entity] = &answer;
  std::unordered_map<std::string, std::vector<Membership>> known;
  for (auto& membership : memberships) known[membership.entity].push_back(membership);
  for (const auto& entity : entities) {
    auto answer = there.find(entity);
    bool is_there = answer != there.end();
    std::vector<const Membership*> before(names.size());
    for (const auto& membership : known[entity]) before[membership.segment] = &membership;
    Timer timer{.entity = entity, .due = never_us, .segment = {}, .rest = never_us};
    // What was not asked may change when the timer said.
    if (alone)
      if (const Timer* said = due->of(entity)) timer.due = said->rest;
    for (size_t index = 0; index < names.size(); ++index) {
      size_t segment = alone.value_or(index);
      bool was = before[index] != nullptr && before[index]->member;
      bool is = is_there && answer->second->segments[index].value;
      if (is_there) note_next(timer, answer->second->segments[index].next, group.segments[segment]);
      if (was != is)
        found.flips.push_back({.segment = segment,
                               .entity = entity,
                               .entered = is,
                               .there = is_there,
                               .previous = before[index] == nullptr ? 0 : before[index]->seq,
                               .at = as_of});
    }
    if (is_there && timer.due != never_us) found.timers.push_back(std::move(timer));
  }
  return true;
}

Status Evaluator::ask_oracle(Group& group, const std::vector<std::string>* entities, int64_t as_of,
                             Found& found) {
  auto take = [&](const Block& block) -> Status {
    for (size_t row = 0; row < block.rows(); ++row) {
      std::string entity(block.columns[0].text(row));
      int64_t next = block.columns[1].get<int64_t>(row);
      if (next != never_us) found.timers.push_back({.entity = entity, .due = next});
      const Column& segments = block.columns[2];
      for (size_t index = segments.array_begin(row); index < segments.array_end(row); ++index)
        found.flips.push_back({.segment = segments.element().get<uint16_t>(index),
                               .entity = entity,
                               .entered = block.columns[3].element().get<uint8_t>(index) != 0,
                               .there = block.columns[5].get<uint8_t>(row) != 0,
                               .previous = block.columns[4].element().get<uint64_t>(index),
                               .at = as_of});
    }
    if (found.timers.size() < limits::changes_a_block) return {};
    for (const auto& timer : found.timers) group.look_at(timer.due);
    return store_.add_timers(group.name, std::exchange(found.timers, {}));
  };
  if (entities == nullptr)
    return ask_everybody(pool_, {.query = group.all, .segments = group.segments, .as_of = as_of}, stop_,
                         take);
  return pool_.lease()->query_blocks(group.some.sql,
                                     diff_options(group.some, group.segments, as_of, entities), take);
}

// Who could not be evaluated has facts that nobody vouches for.
Status Evaluator::evaluate(Group& group, const std::vector<std::string>* entities, const std::string& cause,
                           const DueSlice* due, const FreshEvents* fresh) {
  if (group.kept && entities == nullptr) {
    group.kept->facts.forget_all();
    group.kept->again = true;
  }
  Status done = evaluate_now(group, entities, cause, due, fresh);
  if (!done && group.kept && entities != nullptr)
    for (const auto& entity : *entities) group.kept->facts.forget(entity);
  if (!done && group.kept && entities == nullptr) group.kept->facts.forget_all();
  return done;
}

Status Evaluator::evaluate_now(Group& group, const std::vector<std::string>* entities,
                               const std::string& cause, const DueSlice* due, const FreshEvents* fresh) {
  int64_t as_of = clock_.wall_micros(), began = clock_.monotonic_micros();
  Found found;
  Status asked = clickhouse::retry(evaluation_policy(), stop_, [&]() -> Status {
    found = {};
    if (entities != nullptr && entities->size() <= limits::few_entities_max) {
      if (group.kept && TRY(find_kept(group, *entities, due, fresh, as_of, found))) return {};
      if (TRY(find_in_memory(group, *entities, due, as_of, found))) return {};
    }
    return ask_oracle(group, entities, as_of, found);
  });
  if (!asked) return fail(std::move(asked.error()).in("segments of " + group.definitions.front().entity));
  if (entities == nullptr) {
    // Slices come as they are ready.
    std::stable_sort(found.flips.begin(), found.flips.end(),
                     [](const Flip& one, const Flip& other) { return one.entity < other.entity; });
    log::info("segments: everybody in {} was evaluated in {} ms, {} conditions, {} changes",
              group.definitions.front().entity, (clock_.monotonic_micros() - began) / 1000,
              group.definitions.size(), found.flips.size());
  }
  if (due != nullptr)
    for (Flip& flip : found.flips)
      if (const Timer* timer = due->of(flip.entity)) flip.at = timer->due;
  TRY_VOID(mark_absorbed(pool_, group.plans, found.flips));
  auto cause_of = [&](const Flip& flip) { return group.cause_of(flip, cause); };
  TRY_VOID(reached("announcements"));
  size_t told =
      TRY(tell_stays({.pool = pool_,
                      .store = store_,
                      .definitions = group.definitions,
                      .key = group.some.compiled.key,
                      .as_of = as_of,
                      .seq = seq_,
                      .cause = cause_of,
                      .properties = [&](std::span<const Flip> flips) { return values(group, flips); }},
                     entities, found.flips, found.timers));
  if (told > 0 && hooks_.changed) hooks_.changed();
  // Both are there before anybody is told that this was evaluated; a timer too many is harmless.
  for (const auto& timer : found.timers) group.look_at(timer.due);
  auto timers = std::async(std::launch::async, [&]() -> Status {
    TRY_VOID(reached("timers"));
    return store_.add_timers(group.name, found.timers);
  });
  Status written = write(group, std::move(found.flips), as_of, cause);
  TRY_VOID(timers.get());
  return written;
}

// Of segments with a cooldown, by segment and entity: what was told of entries.
Result<std::map<std::pair<size_t, std::string>, Evaluator::Announced>> Evaluator::announcements(
    const Group& group, std::span<const Flip> flips) {
  std::map<std::pair<size_t, std::string>, Announced> found;
  for (size_t segment = 0; segment < group.definitions.size(); ++segment) {
    const Definition& definition = group.definitions[segment];
    if (definition.options.cooldown_seconds == 0 || dwells(definition)) continue;
    std::vector<std::string> entities;
    for (const auto& flip : flips)
      if (flip.segment == segment) entities.push_back(flip.entity);
    if (entities.empty()) continue;
    Block block =
        TRY(pool_.query("SELECT entity, toUnixTimestamp64Micro(maxIf(happened_at, notEmpty(destinations))), "
                        "argMax(notEmpty(destinations), seq) FROM tidemark.segment_changes WHERE segment = "
                        "{segment:String} AND entity "
                        "IN {entities:Array(String)} AND entered = 1 GROUP BY entity",
                        {.parameters = {{"segment", group.segments[segment]}},
                         .raw_parameters = {{"entities", clickhouse::array_parameter(entities)}}}));
    for (size_t row = 0; row < block.rows(); ++row)
      found[{segment, std::string(block.columns[0].text(row))}] = {block.columns[1].get<int64_t>(row),
                                                                   block.columns[2].get<uint8_t>(row) != 0};
  }
  return found;
}

// By segment and entity, a JSON object each.
Result<PropertyTexts> Evaluator::values(const Group& group, std::span<const Flip> flips) {
  PropertyTexts found;
  for (size_t segment = 0; segment < group.values.size(); ++segment) {
    if (!group.values[segment]) continue;
    const CompiledSegments& compiled = *group.values[segment];
    std::vector<std::vector<std::string>> keys;
    for (const auto& flip : flips)
      if (flip.segment == segment && flip.there)
        keys.push_back(key_of_entity(flip.entity, compiled.key.size()));
    if (keys.empty()) continue;
    Block block = TRY(pool_.query(compiled.sql, query_options(compiled, clock_.wall_micros(), keys)));
    for (size_t row = 0; row < block.rows(); ++row)
      found[{segment, std::string(block.columns[0].text(row))}] = block.columns[1].text(row);
  }
  return found;
}

Status Evaluator::write(Group& group, std::vector<Flip> flips, int64_t as_of, const std::string& cause) {
  if (flips.empty()) return {};
  for (size_t from = 0; from < flips.size(); from += limits::changes_a_block) {
    size_t to = std::min(flips.size(), from + limits::changes_a_block);
    auto announced = TRY(announcements(group, std::span(flips).subspan(from, to - from)));
    auto properties = TRY(values(group, std::span(flips).subspan(from, to - from)));
    std::vector<MembershipChange> changes;
    const uint64_t after = seq_;
    for (size_t index = from; index < to; ++index) {
      const Flip& flip = flips[index];
      const Definition& definition = group.definitions[flip.segment];
      MembershipChange change{.seq = ++seq_,
                              .segment = definition.name,
                              .version = group.versions[flip.segment],
                              .entity = flip.entity,
                              .entered = flip.entered,
                              .previous_seq = flip.previous,
                              .cause = group.cause_of(flip, cause),
                              .happened_at = flip.at,
                              .destinations = definition.notify};
      if (auto found = announced.find({flip.segment, flip.entity}); found != announced.end()) {
        int64_t again = found->second.at + definition.options.cooldown_seconds * 1'000'000;
        // Whose entry was not told is not told to leave.
        if (flip.entered ? flip.at < again : !found->second.last) change.destinations.clear();
      }
      // Entries of these are told when they are old enough (announcements.h).
      bool later = dwells(definition) && (flip.entered || flip.told == 0);
      if (later || silent(definition, change.cause)) change.destinations.clear();
      MembershipChange said = change;
      if (flip.told > 0) said.previous_seq = flip.told;
      change.data = notification_data(definition, said, as_of,
                                      key_of_entity(flip.entity, group.some.compiled.key.size()),
                                      group.some.compiled.key, properties[{flip.segment, flip.entity}]);
      changes.push_back(std::move(change));
    }
    TRY_VOID(reached("changes"));
    TRY_VOID(store_.append(changes));
    if (hooks_.written) hooks_.written(after, changes);
    if (group.kept) know_changes(group, changes, std::span(flips).subspan(from, to - from));
    std::lock_guard lock(mutex_);
    for (const auto& change : changes) {
      auto& count = counts_[change.segment];
      (change.entered ? count.entered : count.exited) += 1;
      count.members =
          change.entered ? count.members + 1 : count.members - std::min<uint64_t>(count.members, 1);
    }
  }
  return {};
}

std::vector<SegmentCounts> Evaluator::counts() const {
  std::lock_guard lock(mutex_);
  std::vector<SegmentCounts> counts;
  for (const auto& group : groups_)
    for (const auto& definition : group->definitions) {
      SegmentCounts count;
      if (auto found = counts_.find(definition.name); found != counts_.end()) count = found->second;
      count.segment = definition.name;
      count.entity = definition.entity;
      counts.push_back(std::move(count));
    }
  return counts;
}

}  // namespace tidemark::segments
