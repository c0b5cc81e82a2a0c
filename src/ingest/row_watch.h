// Who wants to know which rows cuts add, beside what the warehouse will say: facts that are kept in memory
// follow logs without a question (segments/cut_rows.h). Each may be empty.
//
// What is told is exact or it is said that nothing is known: a cut that is sent again, a part that was not
// only new rows. A source that fails half way says so, and begins its cut anew. Threads: the applier's and
// its workers.
#pragma once

#include "base/column.h"

#include <cstdint>
#include <functional>
#include <string>

namespace tidemark::ingest {

struct RowWatch {
  // Before anything of the cut is sent. `repeated`: some of it may be in already.
  std::function<void(const std::string& source, uint64_t cut, bool repeated)> begins;
  // `table`: in database bronze. `added`: exactly the rows that it has more once the cut's parts are in, told
  // before they are sent; null: it changed in another way.
  std::function<void(const std::string& source, uint64_t cut, const std::string& table, const Block* added)>
      part_in;
  // The cut under way may be in by half.
  std::function<void()> failed;
};

}  // namespace tidemark::ingest
