// Keeps `keyed` models right while cuts arrive. For each cut, after all its change rows and bronze rows are
// in and BEFORE its fence is written, ingest calls after_cut(). For every keyed model that reads a table of
// the cut, models in dependency order:
//   1. The keys touched by way of other tables are added to those that materialized views on the change rows
//      have written (exactly once).
//   2. Their rows are recomputed from the current state and written, in one INSERT, with tombstones of a
//   lower
//      version for keys that have no row any more. More than limits::keyed_keys_a_slice keys are done in
//      slices, in the keys' order; more than half of the model, by a recompute of it all.
// Running it again for the same cut, after a crash, recomputes the same keys from the same or a newer state.
//
// Versions of a store's rows are Tidemark's own and grow with every write to it, so that of two recomputes of
// a key the later one wins also when the cuts come from two sources, whose positions cannot be compared. They
// start from the cut's version, or from the store's newest. A store that something else fills must be filled
// with version 0.
//
// Cuts of two sources: each source's cuts come one after the other, those of two may come at once. A model is
// worked on by one of them at a time, and each looks at the tables after its own rows are in, so whichever is
// second sees what both brought.
//
// Several writers (processes that share a source, Writers::many): neither a mutex nor a number in memory
// orders their recomputes. There a version is the warehouse's clock, asked after the cut's own rows are in
// and before the recompute reads. Take the cut whose rows came in last of all that concern a key. Its
// recompute's version is not below that moment; so the recompute with the highest version took it after that
// moment, too, and read later still: it saw everything, and it wins. Such versions have the highest bit, so
// they are above any that a single writer gave, and end in the stream's number, so two are never the same. A
// recompute of all does not say which keys are gone to those who add one meanwhile, so it is never the answer
// to a cut then. (The clock must not be set back by more than a cut takes; one server's, for all processes.)
//
// Thread-safe as told; uses only the given client. Cheap to make: what it knows of stores it asks when
// needed.
#pragma once

#include "base/version.h"
#include "clickhouse/client.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tidemark::models {

// A model that is only watched (config::ModelFile::watch) gets no rows: who asked to watch it is told of each
// cut of the tables that it reads, after all other models are right as of that cut. The keys, perhaps none,
// are those that keyed.touched_keys selects, with {cut:UInt64}, {key_offset:UInt64} and {key_count:UInt64}.
struct TouchedKeys {
  const CompiledModel& model;
  uint64_t cut = 0;
  // With rows in this cut, as after_cut() was told of them.
  const std::vector<std::string>& tables;
};
struct WatchHooks {
  // Repeatable: called again for a cut that is replayed.
  std::function<Status(clickhouse::Client&, const TouchedKeys&)> touched;
  // The initial copy of a table that the model reads is complete: any key may be touched.
  std::function<Status(clickhouse::Client&, const CompiledModel&)> all_touched;
};

class Runtime {
 public:
  enum class Writers { one, many };
  explicit Runtime(CompiledModels models, Writers writers = Writers::one, WatchHooks watch = {});
  ~Runtime();

  const CompiledModels& models() const { return models_; }
  bool has_keyed_models() const;

  // `tables`: those with rows in this cut ("impressions" or "bronze.impressions"). `version`: of the cut's
  // last change.
  Status after_cut(clickhouse::Client& client, uint64_t cut, Version version,
                   const std::vector<std::string>& tables);

  // When the initial copy of `tables` is complete (its rows come as cut 0 and are not followed key by key):
  // recomputes every keyed model they feed. `version`: the copy's.
  Status after_copy(clickhouse::Client& client, Version version, const std::vector<std::string>& tables);

 private:
  struct Work;

  Result<Version> next_version(clickhouse::Client& client, Work& work, uint64_t cut, Version at_least);
  Status refresh(clickhouse::Client& client, Work& work, uint64_t cut, Version version,
                 const std::vector<std::string>& tables);
  Status rebuild(clickhouse::Client& client, Work& work, Version version);
  Status clean_up(clickhouse::Client& client, Work& work, uint64_t cut,
                  const std::vector<std::string>& tables);

  // Keys that a cut touches by way of other tables are added to those that it touches itself.
  Status derive_touched(clickhouse::Client& client, Work& work, uint64_t cut,
                        const std::vector<std::string>& tables);

  CompiledModels models_;
  Writers writers_;
  WatchHooks watch_;
  std::vector<std::unique_ptr<Work>> work_;  // one a keyed model
};

}  // namespace tidemark::models
