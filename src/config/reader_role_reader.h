// The loader's part for roles/*.yaml.
#pragma once

#include "config/reader_role.h"
#include "config/yaml_reader.h"

#include <filesystem>
#include <vector>

namespace tidemark::config {

// Adds what the file says to `roles`, and everything that is wrong to the report.
void load_reader_role(Reader reader, const std::filesystem::path& file, std::vector<ReaderRole>& roles);

}  // namespace tidemark::config
