// Evaluation of a few entities, for cuts and timers. The oracle's query (compile.h) costs its own analysis,
// some milliseconds a segment, before it reads a row; for a handful of entities that is nearly all of it.
// Here the warehouse is asked for what the leaves need - the entity's own conditions, and the events that
// anybody selects - in two short queries for all segments of a group, and windows, counts and the tree are
// folded in memory.
//
// The oracle stays the meaning: everything over values (numbers, texts, patterns, dates, other tables) is the
// same SQL, and the tests hold both against each other. Entities with more events than limits::few_events_max
// are left to it.
#pragma once

#include "clickhouse/client_pool.h"
#include "segments/compile.h"
#include "segments/event_leaf.h"
#include "segments/event_pass.h"

namespace tidemark::segments {

// The tree of a definition. `leaf`: of `row` a number of FewQuery::row_leaves, of `events` one of
// event_leaves.
struct PlanNode {
  enum class Kind { row, events, all, any, negation };
  Kind kind = Kind::row;
  size_t leaf = 0;
  std::vector<PlanNode> children;
};

// The same questions for whoever keeps the answers' facts (kept_facts.h).
struct KeptQuery {
  KeptColumns columns;
  std::string keys;              // SQL: the names of all entities, _key; at most {most:UInt64}
  std::string events;            // SQL of EventPass::kept_sql; empty: nothing is over events
  std::vector<GivenRows> given;  // of each event table
  std::string constants;         // SQL; empty: none
  std::optional<int64_t> back_us;
};

struct FewQuery {
  std::string entities;    // SQL: _key, then _l<i> (UInt8) and _t<i> (Int64) of each row leaf
  std::string events;      // SQL of EventPass::rows_sql; empty: nothing is over events
  CompiledSegments bound;  // parameters and key; no SQL
  size_t row_leaves = 0;
  std::vector<EventLeaf> event_leaves;
  std::vector<PlanNode> roots;    // a definition each
  std::optional<KeptQuery> kept;  // nothing: what is kept would grow old
};

// As compile().
Result<FewQuery> compile_few(Catalog& catalog, const std::vector<const Definition*>& definitions,
                             const CompileOptions& options, std::vector<Problem>& problems);

// A definition each. `row`: by row leaf.
std::vector<LeafAnswer> fold(const FewQuery& query, const std::function<LeafAnswer(size_t leaf)>& row,
                             const EntityEvents& events, int64_t as_of);

struct EntityAnswer {
  std::string entity;
  std::vector<LeafAnswer> segments;  // a definition each
};

// Of those that are there. Nothing: they have more events than few_events_max, ask the oracle. `entities`:
// names (membership_store.h).
Result<std::optional<std::vector<EntityAnswer>>> ask_few(clickhouse::ClientPool& pool, const FewQuery& query,
                                                         int64_t as_of,
                                                         const std::vector<std::string>& entities);

}  // namespace tidemark::segments
