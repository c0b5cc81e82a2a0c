// What an Evaluator keeps of definitions that share queries, and whose turn it is. For evaluator.cc and
// evaluator_timers.cc only.
#pragma once

#include "segments/evaluator.h"
#include "segments/few_entities.h"
#include "segments/kept_group.h"
#include "segments/membership_diff.h"

#include <algorithm>
#include <deque>
#include <future>
#include <unordered_map>

namespace tidemark::segments {

struct Evaluator::Group {
  std::string name;
  std::vector<Definition> definitions;
  std::vector<std::string> segments, versions;
  std::vector<std::string> causes;  // for a full evaluation after a change: of each segment; else empty
  DiffQuery some, all;
  FewQuery few;
  std::vector<FewQuery> alone;  // of each segment by itself; none when there is but one
  std::vector<std::optional<CompiledSegments>> values;  // of each segment that sends properties along
  std::string plans;                                    // of profiles (profile_entities.h)
  std::shared_ptr<KeptGroup> kept;                      // null: nothing is kept
  int64_t looked_until = 0;                             // only whoever evaluates
  std::atomic<int64_t> next_due{never_us};
  std::atomic<int64_t> rests_until{0};  // the clock's turn

  void look_at(int64_t instant) {
    if (instant < next_due) next_due = instant;
  }
  std::string cause_of(const Flip& flip, const std::string& cause) const {
    if (!flip.there) return flip.absorbed ? "merge" : "delete";
    return causes.empty() ? cause : causes[flip.segment];
  }
};

// One evaluation at a time, those for cuts first.
class Evaluator::Turn {
 public:
  Turn(Evaluator& evaluator, bool cut) : evaluator_(evaluator) {
    std::unique_lock lock(evaluator_.mutex_);
    evaluator_.waiting_cuts_ += cut;
    evaluator_.woken_.wait(lock, [&] { return !evaluator_.busy_ && (cut || evaluator_.waiting_cuts_ == 0); });
    evaluator_.waiting_cuts_ -= cut;
    evaluator_.busy_ = true;
  }
  ~Turn() {
    std::lock_guard lock(evaluator_.mutex_);
    evaluator_.busy_ = false;
    evaluator_.woken_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Evaluator& evaluator_;
};

// Entities whose timers came, for one segment or for all of the group.
struct Evaluator::DueSlice {
  std::optional<size_t> segment;
  std::vector<Timer> timers;  // by entity

  const Timer* of(const std::string& entity) const {
    auto found =
        std::lower_bound(timers.begin(), timers.end(), entity,
                         [](const Timer& timer, const std::string& name) { return timer.entity < name; });
    return found != timers.end() && found->entity == entity ? &*found : nullptr;
  }
};

// What one evaluation found.
struct Evaluator::Found {
  std::vector<Flip> flips;
  std::vector<Timer> timers;

  // Of one entity: flips against the memberships of before, and its timer. `answers` and `before` by segment
  // of the group.
  void compare(const Group& group, const std::string& entity, bool there,
               const std::vector<LeafAnswer>& answers, const std::vector<Membership>& before, int64_t as_of);
};

// Events that a cut added, as kept rows.
struct Evaluator::FreshEvents {
  uint64_t began = 0;
  std::deque<Block> blocks;
  struct Rows {
    const Block* block = nullptr;
    std::vector<size_t> rows;
  };
  std::unordered_map<std::string, std::vector<Rows>> of;

  void add(Block block, const KeptColumns& columns);
};

// A question about rows that a cut adds, asked ahead.
struct Evaluator::AskedRows {
  std::string source;
  uint64_t cut = 0;
  std::shared_ptr<KeptGroup> kept;
  std::shared_ptr<const Block> rows;
  std::future<Result<std::optional<Block>>> answer;
};

// `segment` may change at `next`: it goes into the entity's timer.
void note_next(Timer& timer, int64_t next, const std::string& segment);

}  // namespace tidemark::segments
