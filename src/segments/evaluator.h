// Keeps memberships current: after every cut for the entities it touched, and by the clock for those whose
// answer may have changed by time alone. Both look at just these entities - a few are answered in memory,
// from facts that are kept (kept_group.h) or from a short question (few_entities.h), many by the oracle
// (compile.h) -, compare with the memberships there are, and write what flipped, in one INSERT
// (membership_store.h). Evaluating again finds nothing to write, so whatever was cut
// short is simply done again.
//
// Instants. A definition is asked as of the moment of the evaluation. Every answer comes with the next
// instant at which time alone can change it; the earliest of an entity becomes a timer. Timers are never
// taken back: one that is not needed any more costs one evaluation. A timer that belongs to one segment says
// so, and when any other may change: where many are due for one segment, only that one is asked.
//
// Definitions. replace() brings memberships from the definitions of before to those of now, each changed one
// in one evaluation of everybody at one instant, and remembers that it did (tidemark.segment_versions). What
// was cut short is done again at the next replace(). A definition that is gone leaves its members with cause
// `edit`.
//
// Held. Groups whose tables are being copied (hold()) are not evaluated, by nobody: what their tables have
// says nothing, and what is told to others cannot be taken back. Whoever lets them go says all_touched()
// then.
//
// Order. One evaluation at a time; those for cuts go first, the clock's give way between slices. Threads: any
// may call; run_timers() is the clock's own.
#pragma once

#include "base/clock.h"
#include "segments/announcements.h"
#include "segments/compile.h"
#include "segments/cut_rows.h"
#include "segments/membership_limits.h"
#include "segments/membership_store.h"
#include "segments/segment_counts.h"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>

namespace tidemark::segments {

struct GivenRows;
struct KeptGroup;

// What decides who is a member, referenced segments, tables and zone included.
std::string version_of(const Definition& definition, const CompileOptions& options,
                       std::vector<Problem>& problems);

struct EvaluatorHooks {
  // Announcements were written: wakes whoever tells others.
  std::function<void()> changed;
  // Changes were written, all there are with a seq in (after, the last one's].
  std::function<void(uint64_t after, const std::vector<MembershipChange>& changes)> written = {};
  // Runs an action while no cut is half in. Empty: at once.
  std::function<Status(const std::function<Status()>&)> while_whole;
  // From how many timers of one segment on it is asked alone.
  size_t alone_entities_min = limits::alone_entities_min;
  // Memory for facts of entities, in bytes; 0: none are kept.
  size_t kept_bytes_max = 0;
  // For tests: asked before each write of an evaluation, by its name; an error ends the evaluation there.
  std::function<Status(std::string_view)> failpoint = {};
};

class Evaluator {
 public:
  Evaluator(clickhouse::ClientPool& pool, const Clock& clock, EvaluatorHooks hooks,
            const std::atomic<bool>& stop);
  ~Evaluator();

  // Once, before anything else. Changes are numbered above `seq`: the newest of what else is announced beside
  // them.
  Status prepare(uint64_t seq = 0);

  // What the project says now. `problems`: definitions that do not fit the warehouse; then nothing is
  // changed.
  Status replace(const std::vector<Definition>& definitions, const CompileOptions& options,
                 std::vector<Problem>& problems);

  // These groups, and no others, are not evaluated from here on; an evaluation under way is waited for.
  void hold(std::set<std::string> groups);
  // replace() left out definitions of groups that are held: it is to be called again.
  bool left_out() const { return left_out_; }

  // The name of a group of definitions (group_of) that share queries, timers and touched keys.
  std::vector<std::string> groups() const;

  // These entities may have changed. `entities`: their names (membership_store.h); one may be there twice.
  Status touched(const std::string& group, std::vector<std::string> entities, const std::string& cause);
  // The cut added rows to `tables`, which are logs, and did nothing else that concerns the group. False: that
  // is not known here, or not enough: say touched(). `entities`: those it touches, asked for where some
  // segments are not answered from memory.
  Result<bool> happened(const std::string& group, uint64_t cut, const std::vector<std::string>& tables,
                        const std::function<Result<std::vector<std::string>>()>& entities,
                        const std::string& cause);
  // What cuts add, before the warehouse takes it: meanwhile it is asked what segments say of these rows. As
  // ingest::RowWatch has them, but `table` with its database.
  void cut_begins(const std::string& source, uint64_t cut, bool repeated) {
    cut_rows_.begins(source, cut, repeated);
  }
  void part_goes_in(const std::string& source, uint64_t cut, const std::string& table, const Block* added);
  // Kept facts may not be those of the warehouse: from the next evaluation on they are read again.
  void doubt() { ++doubts_; }
  // Any may have.
  Status all_touched(const std::string& group, const std::string& cause);

  // For others who write into the outbox: while nothing is evaluated, with the newest seq there is, which
  // `write` counts up for each row.
  Status in_order(const std::function<Status(uint64_t& seq)>& write);

  // Looks at the timers that are due by now.
  Status settle();

  // Waits for timers and evaluates; returns when stop() was called.
  void run_timers();
  void stop();

  std::vector<SegmentCounts> counts() const;

  // Reads facts of all entities ahead, as run_timers() does in pieces; for tests.
  Status warm_up();

 private:
  struct Group;
  struct Found;
  struct DueSlice;
  struct FreshEvents;
  struct AskedRows;
  struct Announced {
    int64_t at = 0;     // the last entry that was told, microseconds
    bool last = false;  // the last entry was
  };
  class Turn;

  // `entities`: null: everybody. `due`: those whose timers say so.
  Status evaluate(Group& group, const std::vector<std::string>* entities, const std::string& cause,
                  const DueSlice* due = nullptr, const FreshEvents* fresh = nullptr);
  Status evaluate_now(Group& group, const std::vector<std::string>* entities, const std::string& cause,
                      const DueSlice* due, const FreshEvents* fresh);
  Status evaluate_slices(Group& group, const std::vector<std::string>& entities, const std::string& cause,
                         const FreshEvents* fresh);
  // False: they are for the oracle.
  Result<bool> find_in_memory(Group& group, const std::vector<std::string>& entities, const DueSlice* due,
                              int64_t as_of, Found& found);
  // From kept facts. False: by a question of another kind.
  Result<bool> find_kept(Group& group, const std::vector<std::string>& entities, const DueSlice* due,
                         const FreshEvents* fresh, int64_t as_of, Found& found);
  // The group's facts: those there are when the definitions are the same.
  Status keep_facts(Group& group, Catalog& catalog, const CompileOptions& options, size_t groups);
  // Those of `flips` are written.
  void know_changes(Group& group, const std::vector<MembershipChange>& changes, std::span<const Flip> flips);
  void want_rows();
  Result<std::optional<Block>> answer_of(const std::shared_ptr<KeptGroup>& kept, const GivenRows& given,
                                         const std::shared_ptr<const Block>& rows);
  // One piece of what is read ahead.
  Status warm(Group& group);
  Status ask_oracle(Group& group, const std::vector<std::string>* entities, int64_t as_of, Found& found);
  Status write(Group& group, std::vector<Flip> flips, int64_t as_of, const std::string& cause);
  Status reached(std::string_view point) const {
    return hooks_.failpoint ? hooks_.failpoint(point) : Status();
  }
  Result<std::map<std::pair<size_t, std::string>, Announced>> announcements(const Group& group,
                                                                            std::span<const Flip> flips);
  Result<PropertyTexts> values(const Group& group, std::span<const Flip> flips);
  Status drop(SegmentVersion version);
  Status look_at_timers(Group& group);
  std::vector<DueSlice> slices_of(const Group& group, std::vector<Timer> timers, int64_t now) const;
  Status evaluate_due(Group& group, const DueSlice& slice);
  // Null when it is held, too.
  std::shared_ptr<Group> find(const std::string& group) const;
  bool is_current(const Group& group) const;

  clickhouse::ClientPool& pool_;
  const Clock& clock_;
  EvaluatorHooks hooks_;
  const std::atomic<bool>& stop_;
  MembershipStore store_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable woken_;
  std::vector<std::shared_ptr<Group>> groups_;
  std::set<std::string> held_;
  bool stopping_ = false;
  int waiting_cuts_ = 0;  // who goes first
  bool busy_ = false;
  std::map<std::string, SegmentCounts> counts_;

  uint64_t seq_ = 0;  // only whoever evaluates
  CutRows cut_rows_;
  std::mutex asking_mutex_;
  std::vector<AskedRows> asking_;  // of cuts under way
  std::atomic<uint64_t> doubts_{0};
  std::atomic<bool> left_out_{false};
};

}  // namespace tidemark::segments
