// tidemark.models: what the warehouse has, one row per fact, never changed. The row with the highest version
// of a (model, fingerprint, generation) is its state. Written by one deployment at a time.
#pragma once

#include "clickhouse/client.h"
#include "models/compiled_model.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tidemark::models {

struct ModelRecord {
  std::string model, fingerprint, state, kind;
  uint64_t version = 0;
  std::vector<std::string> physical;  // "database.table", dependents first
  std::vector<std::string> columns;   // "name type"
  std::vector<std::string> tables;    // "bronze.x", in depth
  std::vector<std::string> models;    // it reads, directly
  uint32_t generation = 0;
  std::string deployment;  // that built it; empty: one of before there were deployments
  std::string change;      // the run that made it active; its other models may belong to it
  std::string view;        // CREATE OR REPLACE VIEW of the public name over this one's tables
  int64_t written_at = 0;  // microseconds

  bool same_tables(const ModelRecord& other) const {
    return model == other.model && fingerprint == other.fingerprint && generation == other.generation;
  }
};

class ModelState {
 public:
  // An empty state when there is no table yet.
  static Result<ModelState> load(clickhouse::Client& client);

  // The active record of a model, or nullptr.
  const ModelRecord* active(const std::string& model) const;
  const std::vector<ModelRecord>& records() const {
    return records_;
  }                                            // newest of each (model, fingerprint, generation)
  bool knows(const std::string& model) const;  // any record but dropped ones

  // Appends a fact and makes it the newest. Creates database and table on first use.
  Status write(clickhouse::Client& client, ModelRecord record, const std::string& sql);
  // Several facts that become true together.
  Status write(clickhouse::Client& client, std::vector<std::pair<ModelRecord, std::string>> facts);

 private:
  std::vector<ModelRecord> records_;
  uint64_t version_ = 0;
  bool prepared_ = false;
};

ModelRecord record_of(const CompiledModel& model, std::string state);

}  // namespace tidemark::models
