// The facts an Evaluator keeps for a group of definitions, and the questions that fill them: those of its
// segments that can be answered from memory (kept_reason.h) are one FewQuery whose leaves are kept, the
// others one that is asked each time.
//
// What a leaf is worth for a row or an event is always said by the warehouse's SQL - of rows that lie in it,
// or of rows that a cut brings and that are given with the question -, never computed a second way here.
// Windows, counts, order and the tree are folded from what was said (event_leaf.h).
//
// Threads: questions may be asked by anyone, facts are for whoever evaluates; what is read ahead belongs to
// the clock's thread.
#pragma once

#include "clickhouse/client_pool.h"
#include "segments/cut_rows.h"
#include "segments/few_entities.h"
#include "segments/kept_facts.h"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

struct KeptGroup {
  explicit KeptGroup(size_t bytes_max) : facts(bytes_max) {}

  FewQuery query;
  std::vector<size_t> segments;  // of the group, by root of query
  std::optional<FewQuery> asked;
  std::vector<size_t> asked_segments;

  KeptFacts facts;
  uint64_t doubts = 0;  // as of which facts are kept
  std::vector<int64_t> constants;
  int64_t constants_from = never_us, constants_until = 0;

  // Ahead of time.
  std::atomic<bool> again{true};  // all of it, from the beginning
  std::atomic<bool> warm{false};
  std::vector<std::string> names;
  size_t next_name = 0;
  int64_t rests_until = 0, began = 0;

  const KeptQuery& kept() const { return *query.kept; }
  bool over_events() const { return !query.event_leaves.empty(); }
  // Facts that somebody doubts are read again.
  void settle(uint64_t now) {
    if (doubts == now) return;
    doubts = now;
    facts.forget_all();
    again = true;
  }
};

// What the warehouse says of some entities: rows, events, memberships are each asked for their own.
struct ReadFacts {
  Block rows, events;
  std::vector<Membership> memberships;
};
struct FactsWanted {
  std::vector<std::string> rows, events, memberships;
};
// Side by side. `segments`: names of the group's.
Result<ReadFacts> read_facts(clickhouse::ClientPool& pool, MembershipStore& store, const KeptGroup& kept,
                             const std::vector<std::string>& segments, const FactsWanted& wanted,
                             int64_t as_of);
// Puts them in. `loaded`: CutRows::now() after they were read. With `ahead` only what is not there yet.
void keep(KeptGroup& kept, const FactsWanted& wanted, const ReadFacts& read, uint64_t loaded, bool ahead);

// The same as kept events, of rows of a table that a cut added. Nothing: their types are not those of the
// warehouse.
Result<std::optional<Block>> ask_given(clickhouse::ClientPool& pool, const KeptGroup& kept,
                                       const GivenRows& given, const Block& rows, int64_t as_of);

// Brings the constants to the instant.
Status know_constants(clickhouse::ClientPool& pool, KeptGroup& kept, int64_t as_of);

}  // namespace tidemark::segments
