// Mirrored tables as they were at one place between two cuts.
//
// bronze.<t> holds current state, so what was true at the barrier cannot be asked for later. A snapshot is a
// table of its own with the same parts, hard-linked: it costs milliseconds and no disk until the original's
// parts are merged away. Named tidemark.snapshot_<deployment>_<t>; nobody writes to it.
//
// make() creates the empty tables before the barrier, take() attaches the parts at it.
#pragma once

#include "clickhouse/client.h"

#include <set>
#include <string>

namespace tidemark::models {

class Snapshots {
 public:
  // `tables`: "bronze.impressions".
  Snapshots(std::string deployment, std::set<std::string> tables)
      : deployment_(std::move(deployment)), tables_(std::move(tables)) {}

  Status make(clickhouse::Client& client) const;
  Status take(clickhouse::Client& client) const;
  // Every table is there (a snapshot that was taken stays complete).
  Result<bool> exist(clickhouse::Client& client) const;

  // "snapshot_1_impressions" in database tidemark.
  std::string name_of(const std::string& table) const;
  // `sql` with every mirrored table and its __current view replaced by the snapshot.
  std::string over(std::string sql) const;

 private:
  std::string deployment_;
  std::set<std::string> tables_;
};

// Those of all deployments but `kept`.
Status drop_snapshots(clickhouse::Client& client, const std::set<std::string>& kept);

}  // namespace tidemark::models
