// Keeps `keyed` models right while cuts arrive. For each cut, after all its change rows and bronze rows are
// in and BEFORE its fence is written, ingest calls after_cut(): the keys the cut touched (written by
// materialized views on the change rows, so exactly once) are recomputed from the current state and written
// with the cut's version; keys without rows any more get a tombstone. Running it again for the same cut,
// after a crash, writes the same or newer rows.
//
// Thread-safe as long as one source's cuts come one after the other; uses only the given client.
#pragma once

#include "base/version.h"
#include "clickhouse/client.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace tidemark::models {

class Runtime {
 public:
  explicit Runtime(CompiledModels models) : models_(std::move(models)) {}

  const CompiledModels& models() const { return models_; }
  bool has_keyed_models() const;

  // `tables`: those with rows in this cut ("impressions" or "bronze.impressions"). `version`: of the cut's
  // last change; must grow from cut to cut.
  Status after_cut(clickhouse::Client& client, uint64_t cut, Version version,
                   const std::vector<std::string>& tables);

  // When the initial copy of `tables` is complete (its rows come as cut 0 and are not followed key by key):
  // recomputes every keyed model they feed. `version`: the copy's.
  Status after_copy(clickhouse::Client& client, Version version, const std::vector<std::string>& tables);

 private:
  CompiledModels models_;
  std::mutex mutex_;
  std::map<std::string, uint64_t> cleaned_;  // touched table -> first partition that may still exist
};

}  // namespace tidemark::models
