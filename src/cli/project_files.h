// What a project is made of beside its models, to see whether more than those has changed.
#pragma once

#include <filesystem>
#include <string>

namespace tidemark::cli {

// Names and contents of the project's files but for its models, as one text.
std::string files_beside_models(const std::filesystem::path& root);

}  // namespace tidemark::cli
