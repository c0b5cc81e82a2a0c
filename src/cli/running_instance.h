// How other verbs find the `tidemark up` of a project: a file in the project's directory, readable by its
// user alone, with the page's address and the token that requests which change something must bring along.
#pragma once

#include "base/error.h"

#include <filesystem>
#include <string>

namespace tidemark::cli {

struct RunningInstance {
  std::string url, token;
};

std::filesystem::path running_instance_file(const std::filesystem::path& project_directory);

// 256 bits, in hexadecimal.
Result<std::string> random_token();

Status write_running_instance(const std::filesystem::path& project_directory, const RunningInstance& running);

// The instance that runs this project, when there is one. Errors: dependency_down when not.
Result<RunningInstance> running_instance(const std::filesystem::path& project_directory);
Result<std::string> running_url(const std::filesystem::path& project_directory);

}  // namespace tidemark::cli
