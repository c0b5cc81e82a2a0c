// What the data plane knows across restarts. All of it lives in the warehouse, in database `tidemark`, so
// that losing the local disk loses nothing and a position can never be ahead of its data.
//
//   tidemark.sources     a source's identity and epoch, and whether its initial copy is complete
//   tidemark.cuts        for each source the newest planned cut (its boundaries, written before any row of
//   it) and the
//                        newest fenced one (written after all rows of it)
// A stream that several processes may work on has an owner: claim() writes who it is, and plans say whose
// they are (kafka_slots_pipeline.h tells why that is enough).
//
//   tidemark.quarantine  rows that could not be decoded, with their bytes and the reason
//
// Writes are idempotent: every table is a ReplacingMergeTree whose version only grows. Thread-safe.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/part.h"
#include "postgres/lsn.h"

#include <atomic>
#include <functional>
#include <optional>

namespace tidemark::ingest {

struct SourceRecord {
  std::string source;
  uint16_t epoch = 0;
  std::string system_id;
  uint32_t timeline = 0;
  std::string slot;
  postgres::Lsn slot_lsn = 0;  // the slot's consistent point: what the initial copy shows
  bool copied = false;         // false: the copy was not finished; it starts over
};

struct CutRecord {
  std::string source;
  uint16_t epoch = 0;
  uint64_t cut = 0;
  postgres::Lsn last_lsn = 0;  // commit LSN of its last transaction (planned: as far as the cut goes)
  postgres::Lsn end_lsn = 0;   // fenced: where the source may be acknowledged; planned: 0
  uint64_t part_rows_max = 0;  // the limits its parts were made under; a replay uses the same
  uint64_t part_bytes_max = 0;
  uint64_t rows = 0;
  int64_t committed_at = 0;  // of its last transaction, microseconds
  std::string places;        // Kafka: how far each partition was read (kafka_places.h); Postgres: late_of()
};

// Postgres: where tables that joined late are read on, an LSN before end_lsn; 0 when they have caught up.
constexpr std::string_view late_prefix = "late:";
postgres::Lsn late_of(const CutRecord& record);

struct QuarantinedRow {
  std::string source, table, column, reason, bytes;
  postgres::Lsn lsn = 0;  // Kafka: the offset
  uint64_t ordinal = 0;
  std::string topic;  // Kafka
  uint64_t partition = 0;
};

class StateStore {
 public:
  StateStore(clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy, const std::atomic<bool>& stop)
      : pool_(pool), policy_(std::move(policy)), stop_(stop) {}

  // Databases and tables, IF NOT EXISTS.
  Status prepare();

  Result<std::optional<SourceRecord>> source(const std::string& name);
  Status save(const SourceRecord& record);

  Result<std::optional<CutRecord>> planned(const std::string& source, uint16_t epoch) {
    return cut(source, epoch, "planned");
  }
  Result<std::optional<CutRecord>> fenced(const std::string& source, uint16_t epoch) {
    return cut(source, epoch, "fenced");
  }
  Status plan(const CutRecord& record) {
    TRY_VOID(write_cuts({{&record, "planned"}}));
    return confirm();
  }
  // `next`, when given, is planned in the same INSERT: under load a cut costs one round trip less.
  Status fence(const CutRecord& record, const CutRecord* next = nullptr) {
    if (next == nullptr) return write_cuts({{&record, "fenced"}});
    TRY_VOID(write_cuts({{&record, "fenced"}, {next, "planned"}}));
    return confirm();
  }

  // From here on the stream is ours, until somebody else claims it; before anything is read of it. `leased`
  // is asked before whatever changes tables: false when we do not know any more that it is. Errors: conflict
  // when somebody else claimed it meanwhile.
  Status claim(const std::string& stream, uint16_t epoch, std::function<bool()> leased);
  // The newest fence and the newest plan, as of one moment.
  struct Newest {
    std::optional<CutRecord> fenced, planned;
  };
  Result<Newest> newest(const std::string& stream, uint16_t epoch);
  // The newest fences of all streams of a source.
  Result<std::vector<CutRecord>> fences_of(const std::string& source, uint16_t epoch);
  // `policy`, which ends when we may not work on the stream any more.
  clickhouse::RetryPolicy guarded(clickhouse::RetryPolicy policy) const;

  // Everything up to the newest fence is in, and nothing after it.
  Status stopped(const CutRecord& fenced) { return write_cuts({{&fenced, "stopped"}}); }
  // From here on rows may come in behind `fenced`.
  Status began(const CutRecord& fenced) { return write_cuts({{&fenced, "began"}}); }
  // Did it end in peace behind its newest fence?
  Result<bool> ended_in_peace(const std::string& source, uint16_t epoch);

  Status quarantine(const std::vector<QuarantinedRow>& rows);
  // Rows in quarantine by table.
  Result<std::map<std::string, uint64_t>> quarantined(const std::string& source);
  // Forgets those of a table that came before a place of its log; returns how many they were.
  Result<uint64_t> forget_quarantined(const std::string& source, const std::string& table, uint64_t before);

 private:
  Result<std::optional<CutRecord>> cut(const std::string& source, uint16_t epoch, const char* state);
  Result<Version> owner();
  // After a plan, before its rows. Errors: conflict when the stream has another owner.
  Status confirm();
  Status write_cuts(const std::vector<std::pair<const CutRecord*, const char*>>& rows);
  Result<Block> read(const std::string& sql, std::map<std::string, std::string> parameters);
  Status write(const char* table, const Block& block);

  clickhouse::ClientPool& pool_;
  clickhouse::RetryPolicy policy_;
  const std::atomic<bool>& stop_;
  // Of claim().
  std::string stream_;
  uint16_t epoch_ = 0;
  uint64_t generation_ = 0;
  std::function<bool()> leased_;
};

// The program did not end in peace: rows of a cut may be in bronze without its fence, and will come again.
// Whoever fills a store from bronze must have them fenced first, or they count twice. Known from the newest
// fence and the record that a stop in peace leaves of it (StateStore::stopped), unless it began again since.
Result<bool> cut_is_interrupted(clickhouse::Client& client);

}  // namespace tidemark::ingest
