// The verbs of `tidemark segment` that look at memberships, and those that change definitions of a running
// project (cli/segment.cc has the rest).
#pragma once

#include "cli/verb.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace tidemark::cli {

// Adds explain, members, history, save and delete. The result runs the one that was given; nothing when it
// was none of these.
std::function<std::optional<Result<ExitCode>>(const Invocation&)> add_segment_inquiries(CLI::App& command);

}  // namespace tidemark::cli
