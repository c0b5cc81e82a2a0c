// Who answers for a model: the header line `-- owner: growth@example.com` of its file. It says nothing of
// what the model computes, so it is no part of a ModelFile: another owner is no other model, and is known as
// soon as the file says so. Reads the file each time it is asked.
#pragma once

#include <filesystem>
#include <string>

namespace tidemark::config {

// `file`: relative to `root`, the project. Empty: the file names nobody, or is not there (any more).
std::string model_owner(const std::filesystem::path& root, const std::filesystem::path& file);

}  // namespace tidemark::config
