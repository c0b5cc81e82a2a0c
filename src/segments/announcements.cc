#include "segments/announcements.h"

#include "clickhouse/schema.h"
#include "segments/membership_diff.h"
#include "segments/membership_limits.h"
#include "segments/notification_data.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace tidemark::segments {
namespace {

// A membership that has not ended, as far as it is written.
struct Stay {
  std::string entity;
  size_t segment = 0;
  uint64_t entry = 0, previous = 0;  // seq of the change, and of the one before
  std::string version, cause;        // of the entry
  int64_t since = 0;                 // microseconds
  uint64_t told = 0;                 // the seq under which it was told; 0: nobody was
  bool settled = false;              // it was told, or is not going to be
  int64_t told_before = 0;           // when an entry of this entity was told last, microseconds; 0: never
};

int64_t old_enough_at(const Definition& definition, int64_t since) {
  return since + definition.options.minimum_dwell_seconds * 1'000'000;
}

// Of the definitions that have a dwell; without entries that are silent. Of everybody: without those that are
// settled.
Result<std::vector<Stay>> read_stays(const Telling& telling, const std::vector<std::string>* entities) {
  std::vector<std::string> asked, silent_ones;
  std::vector<size_t> numbers;
  for (size_t index = 0; index < telling.definitions.size(); ++index) {
    const Definition& definition = telling.definitions[index];
    if (!dwells(definition)) continue;
    asked.push_back(definition.name);
    numbers.push_back(index);
    if (silent(definition, "backfill")) silent_ones.push_back(definition.name);
  }
  std::string whose = fmt::format("WHERE segment IN {{segments:Array(String)}}{} GROUP BY segment, entity",
                                  entities != nullptr ? " AND entity IN {entities:Array(String)}" : "");
  std::string sql = fmt::format(
      "SELECT c.entity AS entity, toUInt64(indexOf({{segments:Array(String)}}, toString(c.segment)) - 1) AS "
      "number, c.entry AS entry, c.previous AS previous, toString(c.of_version) AS version, "
      "toString(c.of_cause) AS cause, toUnixTimestamp64Micro(c.since) AS since, multiIf(c.is_told, c.entry, "
      "a.of_entry = c.entry AND a.is_told, a.newest, toUInt64(0)) AS told, toUInt8(c.is_told OR a.of_entry = "
      "c.entry) AS settled, toUnixTimestamp64Micro(greatest(c.told_at, a.told_at)) AS told_before FROM "
      "(SELECT segment, entity, max(seq) AS entry, argMax(previous_seq, seq) AS previous, argMax(version, "
      "seq) AS of_version, argMax(cause, seq) AS of_cause, argMax(happened_at, seq) AS since, "
      "argMax(notEmpty(destinations), seq) AS is_told, maxIf(happened_at, entered = 1 AND "
      "notEmpty(destinations)) AS told_at FROM tidemark.segment_changes {0} HAVING argMax(entered, seq) = 1) "
      "AS c LEFT JOIN (SELECT segment, entity, max(seq) AS newest, argMax(previous_seq, seq) AS of_entry, "
      "argMax(notEmpty(destinations), seq) AS is_told, maxIf(happened_at, notEmpty(destinations)) AS told_at "
      "FROM tidemark.segment_announcements {0}) AS a ON a.segment = c.segment AND a.entity = c.entity WHERE "
      "NOT (c.of_cause = 'backfill' AND toString(c.segment) IN {{silent:Array(String)}}){1}",
      whose, entities != nullptr ? "" : " AND NOT c.is_told AND a.of_entry != c.entry");
  clickhouse::QueryOptions options;
  options.raw_parameters = {{"segments", clickhouse::array_parameter(asked)},
                            {"silent", clickhouse::array_parameter(silent_ones)}};
  if (entities != nullptr) options.raw_parameters["entities"] = clickhouse::array_parameter(*entities);
  options.describe_empty = false;
  std::vector<Stay> found;
  Block block = TRY(telling.pool.query(sql, options));
  for (size_t row = 0; row < block.rows(); ++row) {
    auto at = [&](const char* name) -> const Column& { return *block.find(name); };
    found.push_back({.entity = std::string(at("entity").text(row)),
                     .segment = numbers[at("number").get<uint64_t>(row)],
                     .entry = at("entry").get<uint64_t>(row),
                     .previous = at("previous").get<uint64_t>(row),
                     .version = std::string(at("version").text(row)),
                     .cause = std::string(at("cause").text(row)),
                     .since = at("since").get<int64_t>(row),
                     .told = at("told").get<uint64_t>(row),
                     .settled = at("settled").get<uint8_t>(row) != 0,
                     .told_before = at("told_before").get<int64_t>(row)});
  }
  return found;
}

using Leaving = std::map<std::pair<size_t, std::string>, Flip*>;

Status write_announcements(const Telling& telling, const std::vector<Stay*>& stays, const Leaving& leaving) {
  for (size_t from = 0; from < stays.size(); from += limits::changes_a_block) {
    auto page = std::span(stays).subspan(from, std::min(limits::changes_a_block, stays.size() - from));
    std::vector<Flip> entries;
    for (const Stay* stay : page) {
      auto exit = leaving.find({stay->segment, stay->entity});
      entries.push_back({.segment = stay->segment,
                         .entity = stay->entity,
                         .entered = true,
                         .there = exit == leaving.end() || exit->second->there});
    }
    auto properties = TRY(telling.properties(entries));
    std::vector<MembershipChange> rows;
    for (Stay* stay : page) {
      const Definition& definition = telling.definitions[stay->segment];
      MembershipChange row{.seq = ++telling.seq,
                           .segment = definition.name,
                           .version = stay->version,
                           .entity = stay->entity,
                           .entered = true,
                           .previous_seq = stay->previous,
                           .cause = stay->cause,
                           .happened_at = stay->since,
                           .destinations = definition.notify};
      row.data =
          notification_data(definition, row, telling.as_of, key_of_entity(stay->entity, telling.key.size()),
                            telling.key, properties[{stay->segment, stay->entity}]);
      row.previous_seq = stay->entry;
      row.happened_at = old_enough_at(definition, stay->since);
      if (stay->told_before > row.happened_at - definition.options.cooldown_seconds * 1'000'000)
        row.destinations.clear();
      stay->told = row.destinations.empty() ? 0 : row.seq;
      rows.push_back(std::move(row));
    }
    TRY_VOID(telling.store.announce(rows));
  }
  return {};
}

Result<size_t> tell(const Telling& telling, std::vector<Stay> stays, const Leaving& leaving,
                    std::vector<Timer>& timers) {
  std::vector<Stay*> now;
  for (Stay& stay : stays) {
    if (stay.settled) continue;
    auto exit = leaving.find({stay.segment, stay.entity});
    int64_t old_enough = old_enough_at(telling.definitions[stay.segment], stay.since);
    if (exit != leaving.end() ? exit->second->at > old_enough : telling.as_of >= old_enough)
      now.push_back(&stay);
    else if (exit == leaving.end())
      timers.push_back({stay.entity, old_enough});
  }
  TRY_VOID(write_announcements(telling, now, leaving));
  for (const Stay& stay : stays)
    if (auto exit = leaving.find({stay.segment, stay.entity}); exit != leaving.end())
      exit->second->told = stay.told;
  return now.size();
}

}  // namespace

bool dwells(const Definition& definition) {
  return definition.options.minimum_dwell_seconds > 0;
}

bool silent(const Definition& definition, const std::string& cause) {
  return cause == "backfill" && definition.options.initial == Options::Initial::none;
}

Result<size_t> tell_stays(const Telling& telling, const std::vector<std::string>* entities,
                          std::vector<Flip>& flips, std::vector<Timer>& timers) {
  if (std::none_of(telling.definitions.begin(), telling.definitions.end(), dwells)) return 0;
  Leaving leaving;
  for (Flip& flip : flips) {
    const Definition& definition = telling.definitions[flip.segment];
    if (!dwells(definition)) continue;
    if (!flip.entered)
      leaving[{flip.segment, flip.entity}] = &flip;
    else if (!silent(definition, telling.cause(flip)))
      // Also of those that are long there: it is looked at once this evaluation is written.
      timers.push_back({flip.entity, std::max(old_enough_at(definition, flip.at), telling.as_of + 1)});
  }
  size_t told = TRY(tell(telling, TRY(read_stays(telling, entities)), leaving, timers));
  if (entities != nullptr) return told;
  // Of everybody only what is not settled was read.
  std::set<std::string> left;
  for (const auto& [whose, flip] : leaving)
    if (flip->told == 0) left.insert(whose.second);
  std::vector<std::string> page;
  for (auto entity = left.begin(); entity != left.end();) {
    page.push_back(*entity);
    if (++entity != left.end() && page.size() < limits::entities_a_slice) continue;
    told += TRY(tell(telling, TRY(read_stays(telling, &page)), leaving, timers));
    page.clear();
  }
  return told;
}

}  // namespace tidemark::segments
