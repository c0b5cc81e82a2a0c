// What the data plane tells the rest of the program about itself: a snapshot of plain values, cheap to copy,
// taken under a lock by Pipeline::status(). The page, /api/status, /metrics and `tidemark status` all show
// this and nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::ingest {

// What the positions of a source count.
enum class Positions : uint8_t {
  lsn,       // of Postgres's log, shown as Postgres does
  messages,  // Kafka: offsets, summed over all partitions
  runs,      // of a source that is read in batches
};

// Positions of one source, each at or behind the one before.
struct Ladder {
  uint64_t server = 0;        // end of the server's log, as last heard
  uint64_t received = 0;      // end of what has arrived here
  uint64_t cut = 0;           // end of the last closed cut
  uint64_t queryable = 0;     // end of the last cut whose rows are all in ClickHouse
  uint64_t fenced = 0;        // end of the last cut whose fence row is written
  uint64_t acknowledged = 0;  // what the source has been told it may forget
};

struct TableStatus {
  std::string table;  // "bronze.impressions"
  std::string state;  // waiting | copying | live | failed
  uint64_t rows_applied = 0;
  uint64_t quarantined = 0;
  uint64_t copy_rows = 0;           // initial copy: rows so far
  uint64_t copy_rows_estimate = 0;  // initial copy: the planner's estimate of the total
  std::string error;                // why it failed
  std::string note;                 // what became of it while it was followed: a change of its columns
};

// Of a source that is sent to; counters since start.
struct IntakeStatus {
  struct Key {
    std::string name;
    uint64_t accepted = 0, rejected = 0;
  };
  uint64_t accepted = 0;                     // durable: events and rows
  uint64_t duplicates = 0;                   // of those: ids that were there already
  uint64_t suppressed = 0;                   // taken and not kept: of people who were deleted
  std::map<std::string, uint64_t> rejected;  // by reason
  std::vector<Key> keys;
  uint64_t spool_bytes = 0, spool_bytes_max = 0;
  int64_t spool_age_ms = 0;  // of the oldest that is not queryable yet
  std::string spool_error;   // why nothing is taken any more
};

// Of a source that asks others by itself; counters of rows and pages are kept, the others are since start.
struct PullStatus {
  struct Stream {
    std::string stream;
    int64_t watermark_micros = 0;  // what changed until then is here; 0: the first pass is not over
    bool under_way = false;        // a pass has begun and not ended
    uint64_t passes = 0, pages = 0, rows = 0, refused = 0;
    std::string error;  // of its last pass
  };
  std::string from;
  std::string state;  // off (no token) | starting | pulling | waiting (for a limit) | idle | failed
  std::string error;  // of the last pass
  int64_t waiting_until_micros = 0;  // 0: it waits for nothing
  std::string waiting_for;
  int64_t next_pass_micros = 0;
  uint64_t requests = 0, throttled = 0;
  std::vector<Stream> streams;
};

// What a source's replication slot makes the server keep (slot_watch.h).
struct SlotHealth {
  std::string wal_status;                // reserved | extended | unreserved | lost
  uint64_t retained_bytes = 0;           // log that is kept for it
  std::optional<uint64_t> left_bytes;    // that may come before it is invalidated; nothing: there is no bound
  double log_bytes_per_second = 0;       // how fast the log grows, over the last minute
  std::optional<int64_t> seconds_left;   // to its invalidation at that rate; nothing: not known
  int64_t acknowledged_seconds_ago = 0;  // since the slot moved last
  std::string warning;                   // which threshold is passed, and what it means; empty: none
};

struct SourceStatus {
  std::string source;
  std::string state;  // starting | copying | streaming | waiting (dependency down, will retry) | failed |
                      // stopped; batch: loading (a run is under way) and idle instead of streaming
  std::string error;  // of the last failure; empty when all is well
  uint64_t epoch = 0;
  uint64_t last_cut = 0;     // number of the last fenced cut
  int64_t as_of_micros = 0;  // commit time of the newest transaction that is queryable; 0: none yet
  int64_t lag_ms = 0;        // how far the queryable state is behind the source, 0 when caught up
  uint64_t lag_bytes = 0;    // server - fenced; of positions that are no LSNs: in what they count
  Positions positions = Positions::lsn;
  double rows_per_second = 0;  // applied, over the last seconds
  uint64_t transactions = 0;
  uint64_t queryable_p50_us = 0;  // commit -> queryable, since start
  uint64_t queryable_p99_us = 0;
  uint64_t queryable_max_us = 0;
  Ladder ladder;
  uint64_t streamed_transactions = 0;        // still running at the source, and read in part
  uint64_t streamed_bytes = 0;               // of them, in memory and on disk
  std::optional<int64_t> copy_seconds_left;  // initial copy, as fast as it went; nothing: not known
  std::optional<SlotHealth> slot;
  std::vector<TableStatus> tables;
  std::optional<IntakeStatus> intake;
  std::optional<PullStatus> pull;

  // All is well: it follows its source, each in its way.
  bool follows() const { return state == "streaming" || state == "loading" || state == "idle"; }
  // Nothing that it knows of waits to be applied.
  bool caught_up() const { return state == "idle" || (state == "streaming" && lag_ms == 0); }
};

struct PipelineStatus {
  std::vector<SourceStatus> sources;
};

// Told to listeners when a cut's rows are queryable and its fence is written (or, where it needs none of its
// own, due).
struct CutEvent {
  std::string source;
  uint64_t cut = 0;
  uint64_t end_lsn = 0;
  Positions positions = Positions::lsn;
  int64_t committed_at_micros = 0;  // of the cut's last transaction
  int64_t queryable_at_micros = 0;  // wall clock
  uint64_t rows = 0;
  std::vector<std::string> tables;  // "bronze.impressions", those with rows in this cut
};

}  // namespace tidemark::ingest
