// Rows that cuts add to logs, from the applier to the evaluation behind the cut: what the warehouse need not
// be asked for, because it is in the process anyway. Of each source the cut under way, only the columns that
// somebody wants, and bounded: of a cut that is larger, that is sent again or that did anything but add rows,
// nothing is known, and the warehouse is asked.
//
// Cuts and readings of facts are put in one order (now()): what was read before a cut began has none of its
// rows, what was read later may have them already. Thread-safe.
#pragma once

#include "base/column.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

// Blocks of the wanted columns that a cut added, by table.
struct AddedRows {
  uint64_t began = 0;
  std::map<std::string, std::vector<std::shared_ptr<const Block>>> tables;
};

class CutRows {
 public:
  // Columns by table ("bronze.app_events").
  void want(std::map<std::string, std::vector<std::string>> columns);

  // As ingest::RowWatch says them; `table`: with its database.
  void begins(const std::string& source, uint64_t cut, bool repeated);
  // What is kept of it: null when that is nothing.
  std::shared_ptr<const Block> part_in(const std::string& source, uint64_t cut, const std::string& table,
                                       const Block* added);

  // Of a cut that is in: nothing when it is not known what it did to one of these tables.
  std::optional<AddedRows> of(uint64_t cut, const std::vector<std::string>& tables) const;
  // Later than everything that has begun.
  uint64_t now();

 private:
  struct Flight {
    uint64_t cut = 0, began = 0;
    bool known = false;  // of every table
    size_t rows = 0;
    std::map<std::string, std::vector<std::shared_ptr<const Block>>> tables;
    std::map<std::string, bool> unknown;
  };

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> wanted_;
  std::map<std::string, Flight> flights_;  // by source
  uint64_t now_ = 0;
};

}  // namespace tidemark::segments
