// What is known of entities without a question: the answers of their own row, the events that segments look
// at, and the memberships there are, a few hundred bytes an entity. Filled when an entity is first looked at
// and ahead of time (evaluator_kept.cc), followed by the rows that cuts bring, and bounded: what does not fit
// is asked again. Nothing here outlives the process.
//
// Never wrong rather than always there: whoever cannot say that facts are those of the warehouse forgets
// them. `lost` counts that, for whoever reads ahead outside of an evaluation: what was read before something
// was lost is not put in. One thread at a time (whoever evaluates); the counts may be read by anyone.
#pragma once

#include "segments/event_leaf.h"
#include "segments/membership_store.h"

#include <atomic>
#include <string>
#include <unordered_map>
#include <vector>

namespace tidemark::segments {

struct EntityFacts {
  bool has_row = false, has_events = false, has_memberships = false;
  uint64_t loaded = 0;           // CutRows::now() when the events had been read
  int64_t row_until = never_us;  // from then on the row's answers are others
  std::string row, events, memberships;
};

// The answers of a row; nothing there: no answers, and the entity is none.
struct RowAnswers {
  bool there = false;
  std::vector<LeafAnswer> leaves;
};
void keep_row(EntityFacts& facts, const RowAnswers& answers);
// `leaves`: how many there are.
RowAnswers kept_row(const EntityFacts& facts, size_t leaves);

void keep_memberships(EntityFacts& facts, const std::vector<Membership>& memberships);
// By segment of the group; seq 0: none. `segments`: how many there are.
std::vector<Membership> kept_memberships(const EntityFacts& facts, size_t segments);

class KeptFacts {
 public:
  explicit KeptFacts(size_t bytes_max) : bytes_max_(bytes_max) {}

  EntityFacts* find(const std::string& entity);
  // What is put in is counted by counted().
  EntityFacts& at(const std::string& entity);
  void counted(const std::string& entity);
  // Row and events, by who reads them again at once; memberships change only by what is written.
  void forget_rows(const std::string& entity);
  void forget(const std::string& entity);
  void forget_all();
  // Down to the bound. Pointers into it are of no use afterwards.
  void trim();

  bool full() const { return bytes_ * 10 >= bytes_max_ * 9; }
  size_t bytes() const { return bytes_; }
  size_t entities() const { return entities_; }
  uint64_t lost() const { return lost_; }
  // Something was written of an entity that is not here.
  void lose() { ++lost_; }

 private:
  struct Slot {
    EntityFacts facts;
    size_t counted = 0;
  };
  size_t size_of(const std::string& entity, const EntityFacts& facts) const;

  const size_t bytes_max_;
  std::unordered_map<std::string, Slot> slots_;
  std::atomic<size_t> bytes_{0}, entities_{0};
  size_t next_bucket_ = 0;  // where the next one to go is looked for
  uint64_t lost_ = 0;
};

}  // namespace tidemark::segments
