// The verbs below `tidemark profile` that change something: delete, suppress, unsuppress, and the receipts of
// deletions. All but receipts need the project to run.
#pragma once

#include "cli/verb.h"

#include <optional>

namespace tidemark::cli {

// Declares them; the function answers when one of them was chosen.
std::function<std::optional<Result<ExitCode>>(const Invocation&)> add_profile_deletions(CLI::App& command);

// The name of the profiles that a verb is about: the only ones, or those that were named. Errors: config.
Result<std::string> profiles_meant(const config::Project& project, const std::string& named);

}  // namespace tidemark::cli
