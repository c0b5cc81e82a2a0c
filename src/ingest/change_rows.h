// From what the stream says to what the warehouse needs: fills values the stream left out and derives the
// signed change rows (-1 old image, +1 new image) that models add up.
//
// The old image of a row is, in this order: the row as an earlier change of the same part left it; what
// REPLICA IDENTITY FULL sent along; the warehouse's current state, read once for all keys the part touches.
// Reading the current state is right also when a cut is replayed after a crash: change rows of a part are
// inserted, whole, before its bronze rows, and those are one block. So either the bronze rows are not in, and
// we read the same old images again, or they are, and the part is not sent again (part_is_in,
// image_reader.h).
//
// A row that is nowhere of these, and of which a large value was left out, is read from the source
// (source_images.h); there it is as of later, so this is for values only, never for old images.
//
// A DEFERRABLE key may be of two rows within a transaction. What is said of it then is told apart by the old
// images that REPLICA IDENTITY FULL sends: the older row's going leaves the newer one where it is.
//
// A table without change rows is read back only for values that were left out, and for DEFERRABLE keys.
#pragma once

#include "base/error.h"
#include "ingest/part.h"

#include <functional>

namespace tidemark::ingest {

// Reads the current images of keys: `keys` has the key columns; the answer has all source columns, found rows
// only, any order.
using ImageReader = std::function<Result<Block>(const CapturedTable& table, const Block& keys)>;

// An update that leaves out a large value of a row the warehouse does not have (the row went to quarantine
// when it came): there is nothing to write that would be right, so it follows its row.
struct RefusedUpdate {
  std::string key;  // as key_literal
  size_t column;
  Version version;
};

struct ChangeRows {
  Block rows;                          // source columns, _sign, _op, _version, _committed_at, _cut
  std::vector<RefusedUpdate> refused;  // taken out of the part; the caller puts them into quarantine
  uint64_t missing_old =
      0;  // updates or deletes of rows the warehouse does not have: counted, never expected
};

// Completes `part` in place and returns its change rows (empty when the table has none). `read_source`, when
// there is one, is asked for rows that are nowhere else and of which values were left out. Errors: those of
// the two.
Result<ChangeRows> complete(Part& part, const ImageReader& read, const ImageReader& read_source = {});

}  // namespace tidemark::ingest
