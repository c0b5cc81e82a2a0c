// tidemark.models: what the warehouse has, one row per fact, never changed. The row with the highest version
// of a (model, fingerprint) is its state. Written by one applier at a time.
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
};

class ModelState {
 public:
  // An empty state when there is no table yet.
  static Result<ModelState> load(clickhouse::Client& client);

  // The active record of a model, or nullptr.
  const ModelRecord* active(const std::string& model) const;
  const std::vector<ModelRecord>& records() const { return records_; }  // newest of each (model, fingerprint)
  bool knows(const std::string& model) const;                           // any record but dropped ones

  // Appends a fact and makes it the newest. Creates database and table on first use.
  Status write(clickhouse::Client& client, ModelRecord record, const std::string& sql);

 private:
  std::vector<ModelRecord> records_;
  uint64_t version_ = 0;
};

ModelRecord record_of(const CompiledModel& model, std::string state);

}  // namespace tidemark::models
