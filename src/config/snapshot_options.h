// How the rows that a Postgres source has already are read: `snapshot` of a source in mode cdc.
#pragma once

#include "base/error.h"
#include "config/yaml_reader.h"

#include <filesystem>
#include <map>
#include <string>

namespace tidemark::config {

struct SnapshotOptions {
  int64_t range_megabytes = 128;    // of a table, in one transaction
  int64_t rows_per_second_max = 0;  // 0: as fast as both sides go
};

// `node`: the value of `snapshot`.
SnapshotOptions read_snapshot(Reader reader, const YamlNode& node);

// Of the sources, by name, of a project that was loaded; those that say nothing are not here. Errors: config,
// that something is wrong, which loading the project says better.
Result<std::map<std::string, SnapshotOptions>> load_snapshot_options(const std::filesystem::path& directory);

}  // namespace tidemark::config
