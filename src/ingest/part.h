// A part: rows of one table, in one cut, that travel in one INSERT.
//
// A part is what the stream says, nothing added: the new images as rows, deletes as tombstones, and notes of
// what the stream left out (values too large to be repeated, old rows). change_rows.h completes it from the
// current state. Where a part ends is decided by the rows alone (limits in the cut), so a replayed cut has
// the same parts and the warehouse recognises their tokens.
#pragma once

#include "base/column.h"
#include "base/version.h"
#include "ingest/captured_table.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::ingest {

enum class Operation : uint8_t {
  insert,  // a new row, or the new side of a key change (then the row before it is the `remove` of the old
           // key)
  update,  // the new image of a row whose key stays
  remove,  // a tombstone: the key columns, everything else default
};

struct Part {
  const CapturedTable* table = nullptr;
  uint64_t cut = 0;
  uint32_t number = 0;  // within table and cut, from 0

  Block rows;  // bronze_block(table)
  std::vector<Operation> operations;

  // Values the stream marked "unchanged" instead of sending them; the row holds a default in their place. In
  // row order.
  struct Unchanged {
    uint32_t row;
    uint32_t column;
  };
  std::vector<Unchanged> unchanged;

  // REPLICA IDENTITY FULL sends old images: old_rows holds them (source columns), old_row_of[row] is the
  // index or -1. Empty when the stream sent none.
  Block old_rows;
  std::vector<int32_t> old_row_of;

  // For topics, which tell of transactions (ReaderStart::for_topics); else empty. Rows from `row` on are of
  // this transaction, until the next.
  struct Transaction {
    uint32_t row;
    uint32_t id;
    uint64_t previous_lsn;  // of the commit before it; 0: not known
  };
  std::vector<Transaction> transactions;
  // Of each row (or of the TRUNCATE).
  struct Place {
    uint64_t lsn;    // of the change itself, not of the commit: grows from change to change of a row
    uint64_t order;  // in the transaction, from 1
  };
  std::vector<Place> places;

  // TRUNCATE: the part has no rows; everything older than this goes.
  bool truncate = false;
  Version truncate_version = 0;
  int64_t truncate_committed_at = 0;
  bool truncate_own_rows = false;  // only what cuts of this stream wrote (kafka_truncates.h)

  size_t queued_bytes = 0;  // what it counts for in the cut's queue (cut.h)

  size_t bytes() const { return rows.bytes() + old_rows.bytes(); }
};

}  // namespace tidemark::ingest
