// Entries that are told late: those of segments with `minimum_dwell`. The change of the membership is written
// when it happens, for nobody; once the membership is old enough a row of tidemark.segment_announcements
// tells it, which a materialized view puts into the outbox as it does with changes. A row for nobody says
// that the question is settled (the cooldown).
//
// Whether an entry is told is a function of its interval alone: it is when the membership lasted longer than
// the dwell, however late that is found; then before its exit. An exit is told when its entry was.
//
// For whoever evaluates (evaluator.h), one at a time. Doing it again tells nothing twice.
#pragma once

#include "clickhouse/client_pool.h"
#include "segments/definition.h"
#include "segments/membership_flip.h"
#include "segments/membership_store.h"

#include <functional>
#include <map>
#include <span>

namespace tidemark::segments {

// By segment and entity, a JSON object each.
using PropertyTexts = std::map<std::pair<size_t, std::string>, std::string>;

// What is known of the evaluation.
struct Telling {
  clickhouse::ClientPool& pool;
  MembershipStore& store;
  const std::vector<Definition>& definitions;  // of the group
  const std::vector<std::string>& key;         // columns
  int64_t as_of = 0;
  uint64_t& seq;  // the newest there is
  std::function<std::string(const Flip&)> cause;
  std::function<Result<PropertyTexts>(std::span<const Flip>)> properties;
};

bool dwells(const Definition& definition);
// Nobody is told of those that were members when the segment was new.
bool silent(const Definition& definition, const std::string& cause);

// Before the flips are written. `entities`: who is evaluated; null: everybody. Exits learn under which seq
// their entry was told, `timers` when entries will be old enough. Nothing is asked when no definition has a
// dwell. How many were told, or decided not to be.
Result<size_t> tell_stays(const Telling& telling, const std::vector<std::string>* entities,
                          std::vector<Flip>& flips, std::vector<Timer>& timers);

}  // namespace tidemark::segments
