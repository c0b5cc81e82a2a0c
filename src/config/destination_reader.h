// The loader's part for destinations/*.yaml.
#pragma once

#include "config/destination.h"
#include "config/yaml_reader.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::config {

// Adds what the file says to `destinations`, and everything that is wrong to the report.
void load_destination(Reader reader, const std::filesystem::path& file,
                      std::vector<Destination>& destinations);
// Files of a folder of declarations, relative to the root, sorted.
std::vector<std::filesystem::path> yaml_files(const std::filesystem::path& root, const std::string& folder);
// Names used twice.
void check_destinations(Report& report, const std::vector<Destination>& destinations);

}  // namespace tidemark::config
