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
// The same for `tidemark demo`: what the pack has under demo/ takes the place of the file of that name, so
// that the project needs nothing but this machine. A project of a user's own has nothing of demo/.
Result<std::vector<std::string>> write_demo(const std::string& pack, const std::filesystem::path& directory);

}  // namespace tidemark::cli
