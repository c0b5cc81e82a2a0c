// The packs inside the program, as projects on disk.
#pragma once

#include "base/error.h"

#include <filesystem>
#include <string>
#include <vector>

namespace tidemark::cli {

// Writes the pack's files; returns their names. Errors: conflict when the directory is not empty, refused
// when it cannot be written. Precondition: the pack exists.
Result<std::vector<std::string>> write_pack(const std::string& pack, const std::filesystem::path& directory);

}  // namespace tidemark::cli
