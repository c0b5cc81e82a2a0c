// One instance a project: two would fight for ports and slots with less helpful words.
#pragma once

#include "base/error.h"

#include <filesystem>

namespace tidemark::cli {

// A file descriptor that holds the lock until it is closed. Errors: conflict, with the process that has it;
// refused, when the directory cannot be written to.
Result<int> lock_project(const std::filesystem::path& project);

}  // namespace tidemark::cli
