// A table that people write to with INSERT, and the inbox behind it.
//
//   cdp.entities                  what people see: ReplacingMergeTree(version), as they know it
//   tidemark.inbox_cdp_entities   each block that was inserted, until its rows are fenced
//   tidemark.feed_cdp_entities    the materialized view between the two
//
// A block of the inbox has a number, given when it became visible and kept through merges, so "blocks up to
// N" is the same rows today and after a crash: that is a position. Numbers go on where the newest part ends,
// also after a restart of the server, so the newest part is never dropped.
//
// An INSERT is one block in each of the two, and a server that dies between them leaves it in one.
// reconcile() compares the table with its mirror and puts what differs into the inbox, both ways: the table
// is the truth. So does whoever takes over a table that was there before, and whoever ran DELETE FROM.
// Thread-safe as the pool is.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/insert_source.h"
#include "ingest/captured_table.h"

#include <optional>

namespace tidemark::ingest {

// As bronze has it.
CapturedTable captured_insert_table(const config::InsertTable& table, bool has_changes);

class Inbox {
 public:
  Inbox(const config::InsertTable& table, clickhouse::ClientPool& pool);

  // Makes all three, IF NOT EXISTS. Errors: config when the table is there with other columns or another key.
  Status prepare();

  struct Waiting {
    uint64_t newest = 0;  // number of the newest block, taken over or not
    // What lies behind the position asked for, in order; each may be taken alone.
    struct Piece {
      uint64_t last = 0;  // number of its last block
      uint64_t rows = 0;
    };
    std::vector<Piece> pieces;
    std::vector<std::string> done;  // parts whose blocks are all at or before `fenced`, but the newest
  };
  Result<Waiting> look(uint64_t after, uint64_t fenced);

  struct Row {
    uint64_t block = 0, offset = 0;
    uint64_t order = 0;  // the version column's value; 0: none
    bool gone = false;
    int64_t at = 0;  // when it came, microseconds
  };
  // Rows of the blocks in (after, last], in the order they came. `take`: the row's place among `columns` of
  // the block (those of the table, in its order).
  Status read(uint64_t after, uint64_t last,
              const std::function<Status(const Block& block, size_t row, const Row& place)>& take);
  Status drop(const std::vector<std::string>& parts);

  // Of mutations of the people's table that are done; another answer: rows may be gone from it.
  Result<std::string> mutations();
  // Rows that differ between the table and `mirror` go into the inbox. Rows of the mirror that came before
  // `settled` and are not in the table any more are gone.
  Status reconcile(const CapturedTable& mirror, int64_t settled);

  const std::string& display() const { return display_; }

 private:
  Status check_shape(clickhouse::Client& client);
  std::string order_of_version() const;

  const config::InsertTable& table_;
  clickhouse::ClientPool& pool_;
  std::string display_;                // cdp.entities
  std::string people_, inbox_, feed_;  // quoted
  std::string inbox_name_;
  std::string columns_;  // quoted list
};

}  // namespace tidemark::ingest
