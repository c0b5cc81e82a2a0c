// Tables that are being copied, so that what is told to others waits for them: tidemark.held_tables. A table
// is there from before it is emptied until everything behind its copy is done, whatever is killed in between.
// Threads: one at a time.
#pragma once

#include "clickhouse/client_pool.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidemark::cli {

class HeldTables {
 public:
  explicit HeldTables(clickhouse::ClientPool& pool) : pool_(pool) {}

  // "bronze.x". Asks the warehouse once; the first call makes the table.
  Result<std::set<std::string>> held();
  Status add(const std::vector<std::string>& tables);
  Status remove(const std::vector<std::string>& tables);
  // They are copied no more, and were not: what was true of them before they were held is true again.
  Status forget(const std::vector<std::string>& tables);
  // One of them was held and let go before: its copy is not its first.
  Result<bool> copied_before(const std::vector<std::string>& tables);

 private:
  struct Known {
    bool held = false, copied = false;
  };
  Status learn();
  enum class Change { begins, ends, abandoned };
  Status save(std::vector<std::string> tables, Change change);

  clickhouse::ClientPool& pool_;
  bool learnt_ = false;
  std::map<std::string, Known> known_;
};

}  // namespace tidemark::cli
