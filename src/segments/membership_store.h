// What is known of memberships across restarts, in the warehouse, database `tidemark`:
//
//   segment_changes     every entry and exit there ever was: the truth, written in one INSERT under a token
//   segment_members     by segment and entity the newest of them (a materialized view fills it)
//   segment_intervals   view: [entered_at, exited_at) with the causes: who was in it on 3 May
//   segment_timers      instants at which time alone may change an answer
//   segment_progress    up to which instant these were looked at
//   segment_versions    the definition that memberships were last brought to in full
//   segment_announcements  entries that are told later than they happened (announcements.h), in the form of
//                       changes; previous_seq is the entry's
//
// Others hang materialized views on segment_changes (the outbox of notifications does): one INSERT then is
// the membership and its announcement. A server that dies between the table and its views leaves the views
// behind; mend() at the start sends what they miss, which may be repeated.
//
// An entity is named by its key: the text of the key's column, or a JSON list of the texts of several.
// `seq` is the order of all changes: larger than every one before it. One writer at a time. Thread-safe as
// the pool is.
#pragma once

#include "clickhouse/retry.h"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

struct MembershipChange {
  uint64_t seq = 0;
  std::string segment, version;
  std::string entity;
  bool entered = false;
  uint64_t previous_seq = 0;  // of this segment and entity; 0: none
  std::string cause;          // event | time | edit | merge | delete | backfill
  int64_t happened_at = 0;    // microseconds
  std::vector<std::string> destinations;
  std::string data;  // of the notification, JSON
};

struct Timer {
  std::string entity;
  int64_t due = 0;      // microseconds
  std::string segment;  // the only one that may change then; empty: any
  int64_t rest = 0;     // with `segment`: when any other may
};

// What is known of an entity and a segment.
struct Membership {
  std::string entity;
  size_t segment = 0;  // of those asked for
  uint64_t seq = 0;    // the newest change
  bool member = false;
};

struct SegmentVersion {
  std::string segment, version, entity;
  std::string definition;  // canonical
  bool dropped = false;
};

class MembershipStore {
 public:
  MembershipStore(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop)
      : pool_(pool), policy_(std::move(policy)), stop_(stop) {}

  // Databases, tables and views, IF NOT EXISTS; mends what a dying server left.
  Status prepare();
  Result<uint64_t> newest_seq();

  // Of these entities, in no order.
  Result<std::vector<Membership>> memberships(const std::vector<std::string>& segments,
                                              const std::vector<std::string>& entities);
  Status append(const std::vector<MembershipChange>& changes);
  Status announce(const std::vector<MembershipChange>& announcements);
  Status add_timers(const std::string& group, const std::vector<Timer>& timers);
  // Entities with timers in (after, until], each with its last instant and what all of them say of segments,
  // by entity: those beside each other lie beside each other in every table that is read for them. At most
  // `most` and one more.
  Result<std::vector<Timer>> due(const std::string& group, int64_t after, int64_t until, size_t most);
  // The first timer behind `after`.
  Result<std::optional<int64_t>> next_due(const std::string& group, int64_t after);
  Result<std::optional<int64_t>> looked_until(const std::string& group);
  Status save_looked_until(const std::string& group, int64_t until);

  Result<std::vector<SegmentVersion>> versions();
  Status save(const SegmentVersion& version);

 private:
  Status append_to(const char* table, const char* token, const std::vector<MembershipChange>& changes);
  Status insert(const char* table, const Block& block, const std::string& token);
  Result<Block> read(const std::string& sql, const std::map<std::string, std::string>& parameters = {});

  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  std::atomic<uint64_t> timer_block_{0};
};

}  // namespace tidemark::segments
