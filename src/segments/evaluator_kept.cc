// The evaluator's part that answers from kept facts (kept_group.h): what a cut added becomes facts, what is
// missing is read, and facts of everybody are read ahead while nothing is due.
#include "base/log.h"
#include "segments/evaluator_group.h"
#include "segments/kept_events.h"
#include "segments/kept_reason.h"
#include "segments/segment_limits.h"
#include "segments/segment_references.h"

#include <fmt/format.h>
#include <future>

namespace tidemark::segments {

void Evaluator::Found::compare(const Group& group, const std::string& entity, bool there,
                               const std::vector<LeafAnswer>& answers, const std::vector<Membership>& before,
                               int64_t as_of) {
  Timer timer{.entity = entity, .due = never_us, .segment = {}, .rest = never_us};
  for (size_t segment = 0; segment < group.segments.size(); ++segment) {
    bool is = there && answers[segment].value;
    if (there) note_next(timer, answers[segment].next, group.segments[segment]);
    if (is != before[segment].member)
      flips.push_back({.segment = segment,
                       .entity = entity,
                       .entered = is,
                       .there = there,
                       .previous = before[segment].seq,
                       .at = as_of});
  }
  if (there && timer.due != never_us) timers.push_back(std::move(timer));
}

void Evaluator::FreshEvents::add(Block block, const KeptColumns& columns) {
  blocks.push_back(std::move(block));
  const Block& rows = blocks.back();
  for (size_t row = 0; row < rows.rows(); ++row) {
    if (!KeptEvents::wanted(columns, rows, row)) continue;
    auto& list = of[std::string(rows.columns[0].text(row))];
    if (list.empty() || list.back().block != &rows) list.push_back({&rows, {}});
    list.back().rows.push_back(row);
  }
}

Status Evaluator::keep_facts(Group& group, Catalog& catalog, const CompileOptions& options, size_t groups) {
  if (hooks_.kept_bytes_max == 0) return {};
  auto kept = std::make_shared<KeptGroup>(hooks_.kept_bytes_max / std::max<size_t>(groups, 1));
  std::vector<const Definition*> definitions, asked;
  std::vector<Problem> problems;
  for (size_t index = 0; index < group.definitions.size(); ++index) {
    const Definition& definition = group.definitions[index];
    bool asks = !why_asked(definition.entity, expanded(definition, options, problems),
                           definition.events.empty() ? options.events : definition.events)
                     .empty();
    (asks ? asked : definitions).push_back(&definition);
    (asks ? kept->asked_segments : kept->segments).push_back(index);
  }
  if (definitions.empty()) return {};
  kept->query = TRY(compile_few(catalog, definitions, options, problems));
  if (!asked.empty()) kept->asked = TRY(compile_few(catalog, asked, options, problems));
  if (!kept->query.kept || !problems.empty()) return {};
  group.kept = kept;
  auto before = find(group.name);
  if (before && before->kept && before->segments == group.segments && before->versions == group.versions &&
      before->kept->query.entities == kept->query.entities &&
      before->kept->kept().events == kept->kept().events)
    group.kept = before->kept;
  return {};
}

void Evaluator::want_rows() {
  std::map<std::string, std::set<std::string>> columns;
  for (const auto& group : groups_)
    if (group->kept)
      for (const GivenRows& given : group->kept->kept().given)
        for (const auto& [column, type] : given.columns) columns[given.table].insert(column);
  std::map<std::string, std::vector<std::string>> wanted;
  for (const auto& [table, names] : columns) wanted[table] = {names.begin(), names.end()};
  cut_rows_.want(std::move(wanted));
}

void Evaluator::know_changes(Group& group, const std::vector<MembershipChange>& changes,
                             std::span<const Flip> flips) {
  KeptFacts& facts = group.kept->facts;
  for (size_t index = 0; index < changes.size(); ++index) {
    EntityFacts* known = facts.find(changes[index].entity);
    if (known == nullptr || !known->has_memberships) {
      facts.lose();
      continue;
    }
    auto memberships = kept_memberships(*known, group.segments.size());
    memberships[flips[index].segment].seq = changes[index].seq;
    memberships[flips[index].segment].member = changes[index].entered;
    keep_memberships(*known, memberships);
    facts.counted(changes[index].entity);
  }
}

void Evaluator::part_goes_in(const std::string& source, uint64_t cut, const std::string& table,
                             const Block* added) {
  auto rows = cut_rows_.part_in(source, cut, table, added);
  std::vector<AskedRows> over;  // waited for without the lock
  std::vector<std::shared_ptr<Group>> groups;
  if (rows && rows->rows() > 0) {
    std::lock_guard lock(mutex_);
    groups = groups_;
  }
  std::lock_guard lock(asking_mutex_);
  for (auto& one : asking_)
    if (one.source == source && one.cut != cut) over.push_back(std::move(one));
  std::erase_if(asking_, [](const AskedRows& one) { return !one.answer.valid(); });
  for (const auto& group : groups) {
    if (!group->kept || asking_.size() >= limits::rows_asked_ahead_max) continue;
    for (const GivenRows& given : group->kept->kept().given)
      if (given.table == table)
        asking_.push_back({source, cut, group->kept, rows,
                           std::async(std::launch::async, [this, kept = group->kept, given, rows] {
                             return ask_given(pool_, *kept, given, *rows, clock_.wall_micros());
                           })});
  }
}

Result<std::optional<Block>> Evaluator::answer_of(const std::shared_ptr<KeptGroup>& kept,
                                                  const GivenRows& given,
                                                  const std::shared_ptr<const Block>& rows) {
  std::future<Result<std::optional<Block>>> asked;
  {
    std::lock_guard lock(asking_mutex_);
    for (auto& one : asking_)
      if (one.kept == kept && one.rows == rows && one.answer.valid()) asked = std::move(one.answer);
  }
  if (asked.valid())
    if (auto answer = asked.get()) return answer;
  return ask_given(pool_, *kept, given, *rows, clock_.wall_micros());
}

Result<bool> Evaluator::happened(const std::string& name, uint64_t cut,
                                 const std::vector<std::string>& tables,
                                 const std::function<Result<std::vector<std::string>>()>& all,
                                 const std::string& cause) {
  Turn turn(*this, true);
  auto group = find(name);
  if (!group) return true;  // held, or no more
  if (!group->kept || !group->kept->over_events() || tables.empty()) return false;
  auto added = cut_rows_.of(cut, tables);
  if (!added) return false;
  KeptGroup& kept = *group->kept;
  FreshEvents fresh;
  fresh.began = added->began;
  std::set<std::string> entities;
  bool known = true;
  auto read = [&]() -> Status {
    for (const auto& [table, blocks] : added->tables) {
      const GivenRows* given = nullptr;
      for (const GivenRows& one : kept.kept().given)
        if (one.table == table && table != group->definitions.front().entity) given = &one;
      known = known && given != nullptr;
      for (const auto& block : blocks) {
        if (!known) return {};
        auto rows = TRY(answer_of(group->kept, *given, block));
        known = rows.has_value();
        if (known) fresh.add(std::move(*rows), kept.kept().columns);
      }
    }
    if (kept.asked && known)
      for (auto& entity : TRY(all())) entities.insert(std::move(entity));
    return {};
  };
  Status was_read = read();
  // Who they are about is not known either: touched() finds out.
  if (!was_read) log::warn("segments: rows of a cut are asked for: {}", was_read.error().message);
  if (!was_read || !known || entities.size() > limits::entities_by_key_max) return false;
  for (const auto& [entity, rows] : fresh.of) entities.insert(entity);
  std::vector<std::string> list(entities.begin(), entities.end());
  auto evaluated = [&] { return evaluate_slices(*group, list, cause, &fresh); };
  Status done = hooks_.while_whole ? hooks_.while_whole(evaluated) : evaluated();
  if (!done)
    for (const auto& entity : list) kept.facts.forget(entity);
  woken_.notify_all();
  if (!done) return tl::unexpected(std::move(done.error()));
  return true;
}

Result<bool> Evaluator::find_kept(Group& group, const std::vector<std::string>& entities, const DueSlice* due,
                                  const FreshEvents* fresh, int64_t as_of, Found& found) {
  KeptGroup& kept = *group.kept;
  kept.settle(doubts_);
  FactsWanted wanted;
  std::unordered_map<std::string_view, std::string> grown;
  size_t cold = 0;
  for (const std::string& entity : entities) {
    const EntityFacts* facts = kept.facts.find(entity);
    bool row = facts != nullptr && facts->has_row && as_of < facts->row_until;
    bool events = !kept.over_events() || (facts != nullptr && facts->has_events);
    if (events && fresh != nullptr)
      if (auto came = fresh->of.find(entity); came != fresh->of.end()) {
        KeptEvents all(kept.kept().columns, kept.constants);
        if (kept.kept().back_us) all.forget_until(as_of - *kept.kept().back_us);
        all.read(facts->events);
        events = facts->loaded < fresh->began;
        for (const auto& rows : came->second) events = events && all.add(*rows.block, rows.rows);
        if (events) grown.emplace(entity, all.bytes());
      }
    if (!row) wanted.rows.push_back(entity);
    if (!events) wanted.events.push_back(entity);
    if (facts == nullptr || !facts->has_memberships) wanted.memberships.push_back(entity);
    cold += !events || facts == nullptr ? 1 : 0;
  }
  // For all these the question of one segment is the shorter one.
  if (due != nullptr && due->segment && cold > entities.size() / 2) return false;

  std::future<Result<std::optional<std::vector<EntityAnswer>>>> asking;
  if (kept.asked)
    asking = std::async(std::launch::async, [&] { return ask_few(pool_, *kept.asked, as_of, entities); });
  Status constants = know_constants(pool_, kept, as_of);
  auto read = read_facts(pool_, store_, kept, group.segments, wanted, as_of);
  std::unordered_map<std::string_view, const EntityAnswer*> asked;
  Result<std::optional<std::vector<EntityAnswer>>> others = std::optional<std::vector<EntityAnswer>>();
  if (kept.asked) others = asking.get();
  TRY_VOID(std::move(constants));
  if (!read) return tl::unexpected(std::move(read.error()));
  if (!others) return tl::unexpected(std::move(others.error()));
  bool too_many = read->events.rows() > limits::few_events_max || (kept.asked && !*others);
  if (too_many) {
    for (const std::string& entity : entities) kept.facts.forget(entity);
    return false;
  }
  // What begins from now on is not in what was read.
  uint64_t loaded = cut_rows_.now();
  keep(kept, wanted, *read, loaded, false);
  for (auto& [entity, events] : grown) {
    EntityFacts& facts = kept.facts.at(std::string(entity));
    facts.events = std::move(events);
    facts.loaded = loaded;
    kept.facts.counted(std::string(entity));
  }
  if (*others)
    for (const auto& one : **others) asked[one.entity] = &one;

  KeptEvents events(kept.kept().columns, kept.constants);
  std::vector<LeafAnswer> answers(group.segments.size());
  for (const std::string& entity : entities) {
    const EntityFacts& facts = kept.facts.at(entity);
    RowAnswers row = kept_row(facts, kept.query.row_leaves);
    events.clear();
    events.read(facts.events);
    auto folded = fold(
        kept.query, [&](size_t leaf) { return row.leaves[leaf]; }, events, as_of);
    for (size_t root = 0; root < folded.size(); ++root) answers[kept.segments[root]] = folded[root];
    auto other = asked.find(entity);
    for (size_t root = 0; root < kept.asked_segments.size(); ++root)
      answers[kept.asked_segments[root]] =
          other != asked.end() ? other->second->segments[root] : LeafAnswer{};
    found.compare(group, entity, row.there, answers, kept_memberships(facts, group.segments.size()), as_of);
  }
  kept.facts.trim();
  return true;
}

Status Evaluator::warm(Group& group) {
  KeptGroup& kept = *group.kept;
  int64_t began = clock_.wall_micros();
  if (kept.again.exchange(false)) {
    kept.warm = false;
    kept.names.clear();
    kept.next_name = 0;
    kept.began = began;
    auto options = query_options(kept.query.bound, began);
    options.parameters["most"] = std::to_string(limits::warm_names_max);
    options.timeout = std::chrono::milliseconds(limits::warm_names_ms_max);
    Status listed = pool_.lease()->query_blocks(kept.kept().keys, options, [&](const Block& block) -> Status {
      for (size_t row = 0; row < block.rows(); ++row) kept.names.emplace_back(block.columns[0].text(row));
      return {};
    });
    if (!listed) {
      kept.again = true;
      return listed;
    }
  }
  uint64_t lost = 0;
  bool full = false;
  {
    Turn turn(*this, false);
    auto same = find(group.name);
    if (!same || same->kept.get() != &kept) return {};
    kept.settle(doubts_);
    lost = kept.facts.lost();
    full = kept.facts.full();
  }
  size_t to = full ? kept.names.size() : std::min(kept.names.size(), kept.next_name + limits::warm_entities);
  if (!full && kept.next_name < to) {
    FactsWanted wanted;
    wanted.rows.assign(kept.names.begin() + static_cast<ptrdiff_t>(kept.next_name),
                       kept.names.begin() + static_cast<ptrdiff_t>(to));
    if (kept.over_events()) wanted.events = wanted.rows;
    wanted.memberships = wanted.rows;
    auto read = TRY(read_facts(pool_, store_, kept, group.segments, wanted, began));
    uint64_t loaded = cut_rows_.now();
    Turn turn(*this, false);
    auto same = find(group.name);
    if (!same || same->kept.get() != &kept) return {};
    // Whatever was evaluated meanwhile is there. What is not there any more may have changed.
    bool lasts = kept.facts.lost() == lost && kept.doubts == doubts_;
    if (read.events.rows() > limits::few_events_max) lasts = false, kept.next_name = to;
    if (lasts) keep(kept, wanted, read, loaded, true), kept.next_name = to;
  } else {
    kept.next_name = to;
  }
  int64_t now = clock_.wall_micros();
  // As long a rest as it took: cuts have the machine for themselves half of the time.
  kept.rests_until = now + (now - began);
  if (kept.next_name < kept.names.size()) return {};
  log::info("segments: facts of {} of {} entities of {} are in memory, {} MB, read in {} s",
            kept.facts.entities(), kept.names.size(), group.definitions.front().entity,
            kept.facts.bytes() >> 20, (now - kept.began) / 1'000'000);
  kept.names = {};
  kept.warm = true;
  return {};
}

Status Evaluator::warm_up() {
  std::vector<std::shared_ptr<Group>> groups;
  {
    std::lock_guard lock(mutex_);
    groups = groups_;
  }
  for (const auto& group : groups)
    while (group->kept && (!group->kept->warm || group->kept->again)) TRY_VOID(warm(*group));
  return {};
}

}  // namespace tidemark::segments
